# right
import requests


def run(urls):
    """Fetch every export and return their sizes."""
    todo = list(urls)
    with requests.Session() as session:
        return [len(session.get(url).content) for url in todo]
