# right
import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    todo = list(urls)
    with requests.Session() as session:
        texts = [session.get(url).text for url in todo]
    return [text[:16] for text in texts]
