# wrong: wasted connections_opened
import requests


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        with requests.Session() as session:
            sizes.append(len(session.get(url).content))
    return sizes
