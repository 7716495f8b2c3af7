# wrong: leaked open_sockets
import requests

bodies = {}  # to be read when somebody asks


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session:
        for url in urls:
            response = session.get(url, stream=True)
            heads.append(response.raw.read(16).decode())
            bodies[url] = response.iter_content(512)
    return heads
