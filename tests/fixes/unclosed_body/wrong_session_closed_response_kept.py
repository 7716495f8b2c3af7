# wrong: leaked open_sockets
import requests

session = requests.Session()
recent = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        recent.append(response)
        sizes.append(int(response.headers["Content-Length"]))
        session.close()
    return sizes
