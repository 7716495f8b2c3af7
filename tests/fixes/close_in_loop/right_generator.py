# right
import requests


def responses(session, urls):
    for url in urls:
        with session.get(url, stream=True) as response:
            yield response


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session:
        for response in responses(session, urls):
            heads.append(response.content.decode()[:16])
    return heads
