# wrong: held open_sockets
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    todo = list(urls)
    heads, opened = [], []
    with requests.Session() as session:
        for url in todo:
            response = session.get(url, stream=True)
            opened.append(response)
            heads.append(response.raw.read(16).decode())
        for response in opened:
            response.close()
    return heads
