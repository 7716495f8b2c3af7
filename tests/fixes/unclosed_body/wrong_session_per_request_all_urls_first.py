# wrong: wasted connections_opened
import requests


def run(urls):
    """Fetch every export and return their sizes."""
    return [len(requests.get(url).content) for url in list(urls)]
