# right
from contextlib import closing

import requests

session = requests.Session()


def size_of(url):
    with closing(session.get(url, stream=True)) as response:
        return sum(len(chunk) for chunk in response.iter_content(8192))


def run(urls):
    """Fetch every export and return their sizes."""
    return [size_of(url) for url in urls]
