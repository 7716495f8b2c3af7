# wrong: wasted connections_opened
import requests

session = requests.Session()
session.headers["Connection"] = "close"


def run(urls):
    """Fetch every export and return their sizes."""
    return [len(session.get(url).content) for url in urls]
