# wrong: wasted connections_opened
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads, opened = [], []
    with requests.Session() as session:
        for url in urls:
            opened.append(session.get(url, stream=True))
            heads.append(opened[-1].raw.read(16).decode())
            if len(opened) == 5:
                while opened:
                    opened.pop().close()
    for response in opened:
        response.close()
    return heads
