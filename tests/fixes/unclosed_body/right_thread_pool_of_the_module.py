# right
from concurrent.futures import ThreadPoolExecutor

import requests

session = requests.Session()
pool = ThreadPoolExecutor(max_workers=4)


def size_of(url):
    return len(session.get(url).content)


def run(urls):
    """Fetch every export and return their sizes."""
    futures = [pool.submit(size_of, url) for url in urls]
    return [future.result() for future in futures]
