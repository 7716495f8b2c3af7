# wrong: leaked open_sockets
import requests

session = requests.Session()
readers = []


def reader(url):
    with session.get(url, stream=True) as response:
        yield int(response.headers["Content-Length"])
        yield response.content


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        parts = reader(url)
        sizes.append(next(parts))
        readers.append(parts)
    return sizes
