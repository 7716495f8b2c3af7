# right
from concurrent.futures import ThreadPoolExecutor

import requests

session = requests.Session()


def size_of(url):
    with session.get(url, stream=True) as response:
        return len(response.content)


def run(urls):
    """Fetch every export and return their sizes."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(size_of, urls))
