# wrong: work
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    with requests.Session() as session:
        return [session.get(url).text[:17] for url in urls]
