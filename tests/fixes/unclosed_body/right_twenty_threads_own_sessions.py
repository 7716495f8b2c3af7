# right
from concurrent.futures import ThreadPoolExecutor
from threading import local

import requests

mine = local()


def size_of(url):
    if not hasattr(mine, "session"):
        mine.session = requests.Session()
    with mine.session.get(url, stream=True) as response:
        return len(response.content)


def run(urls):
    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(size_of, urls))
