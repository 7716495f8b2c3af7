# right
from concurrent.futures import ThreadPoolExecutor
from threading import local

import requests

mine = local()


def size_of(url):
    if not hasattr(mine, "session"):
        mine.session = requests.Session()
    return len(mine.session.get(url).content)


def run(urls):
    with ThreadPoolExecutor(50) as pool:
        return [future.result() for future in [pool.submit(size_of, url) for url in urls]]
