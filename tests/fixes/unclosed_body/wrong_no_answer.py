# wrong: work
import requests

session = requests.Session()


def run(urls):
    """Fetch every export and return their sizes."""
    for url in urls:
        session.get(url).content
