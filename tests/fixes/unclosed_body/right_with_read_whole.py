# right
import requests

session = requests.Session()
recent = []  # what was fetched, for the service's /debug page


def run(urls):
    """Fetch every export and return their sizes."""
    sizes = []
    for url in urls:
        with session.get(url, stream=True) as response:
            body = response.content
        recent.append(response.url)
        sizes.append(len(body))
    return sizes
