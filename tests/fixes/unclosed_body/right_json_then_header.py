# right
import requests

session = requests.Session()
recent = []


def run(urls):
    """Fetch every profile and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url, stream=True)
        recent.append(response.json())
        sizes.append(int(response.headers["Content-Length"]))
    return sizes
