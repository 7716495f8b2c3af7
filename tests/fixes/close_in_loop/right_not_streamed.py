# right
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    session = requests.Session()
    return [session.get(url).text[:16] for url in urls]
