# wrong: work
import requests

session = requests.Session()
cache = {}


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        path = url.rpartition("/")[0]
        if path not in cache:
            cache[path] = len(session.get(url).content)
        sizes.append(cache[path])
    return sizes
