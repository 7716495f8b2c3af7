# right
import requests


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    with requests.Session() as session:
        for url in urls:
            with session.get(url) as response:
                sizes.append(len(response.content))
    return sizes
