# right
from concurrent.futures import ThreadPoolExecutor

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    with requests.Session() as session, ThreadPoolExecutor(max_workers=4) as pool:

        def head_of(url):
            with session.get(url, stream=True) as response:
                return response.content[:16].decode()

        return list(pool.map(head_of, urls))
