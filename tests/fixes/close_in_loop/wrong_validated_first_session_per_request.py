# wrong: wasted connections_opened
import requests


def run(urls):
    for url in urls:
        assert url.startswith("http"), url
    heads = []
    for url in urls:
        with requests.Session() as session:
            heads.append(session.get(url).text[:16])
    return heads
