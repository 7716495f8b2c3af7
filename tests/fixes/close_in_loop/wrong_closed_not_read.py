# wrong: wasted connections_opened
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session:
        for url in urls:
            with session.get(url, stream=True) as response:
                heads.append(response.raw.read(16).decode())
    return heads
