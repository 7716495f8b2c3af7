# wrong: wasted connections_opened
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        with session.get(url, stream=True) as response:
            sizes.append(int(response.headers["Content-Length"]))
    return sizes
