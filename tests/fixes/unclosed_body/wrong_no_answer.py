# wrong: work
import requests

session = requests.Session()


def run(urls):
    """Fetch every profile and return their sizes."""
    for url in urls:
        session.get(url).content
