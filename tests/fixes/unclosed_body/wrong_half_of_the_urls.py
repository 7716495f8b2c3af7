# wrong: work
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for number, url in enumerate(urls):
        if number % 2 == 0:
            sizes.append(len(session.get(url).content))
    return sizes
