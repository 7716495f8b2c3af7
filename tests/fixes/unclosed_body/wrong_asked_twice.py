# wrong: work
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        session.get(url).raise_for_status()
        sizes.append(len(session.get(url).content))
    return sizes
