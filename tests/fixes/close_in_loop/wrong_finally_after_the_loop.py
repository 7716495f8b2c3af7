# wrong: held open_sockets
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads, opened = [], []
    session = requests.Session()
    try:
        for url in urls:
            response = session.get(url, stream=True)
            opened.append(response)
            heads.append(response.raw.read(16).decode())
    finally:
        for response in opened:
            response.close()
        session.close()
    return heads
