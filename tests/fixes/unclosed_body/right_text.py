# right
import requests

session = requests.Session()


def run(urls):
    """Fetch every profile and return their sizes."""
    return [len(session.get(url, stream=True).text) for url in urls]
