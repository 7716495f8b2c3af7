# wrong: leaked open_sockets
import requests

session = requests.Session()
recent = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        recent.append((response, response.raw.read(1024)))
        sizes.append(int(response.headers["Content-Length"]))
    return sizes
