# wrong: wasted connections_opened
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads, last = [], None
    with requests.Session() as session:
        for url in urls:
            response = session.get(url, stream=True)
            heads.append(response.raw.read(16).decode())
            if last is not None:
                last.close()
            last = response
    return heads
