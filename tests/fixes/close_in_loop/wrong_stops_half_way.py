# wrong: work
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session:
        for url in urls:
            heads.append(session.get(url).text[:16])
            if len(heads) == len(urls) // 2:
                break
    return heads
