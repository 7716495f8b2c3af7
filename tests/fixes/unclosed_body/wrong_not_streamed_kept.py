# wrong: leaked rss
import requests

session = requests.Session()
recent = []


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        response = session.get(url)
        recent.append(response)
        sizes.append(int(response.headers["Content-Length"]))
    return sizes
