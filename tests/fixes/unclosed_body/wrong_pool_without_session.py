# wrong: wasted connections_opened
from concurrent.futures import ThreadPoolExecutor

import requests


def run(urls):
    """Fetch every export and return their sizes."""
    with ThreadPoolExecutor(4) as pool:
        return [len(response.content) for response in pool.map(requests.get, urls)]
