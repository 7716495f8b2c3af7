# wrong: wasted connections_opened
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        sizes.append(int(response.headers["Content-Length"]))
        del response
    return sizes
