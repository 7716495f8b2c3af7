# right
from concurrent.futures import ThreadPoolExecutor

import urllib3


def run(urls):
    todo = list(urls)
    with urllib3.PoolManager(maxsize=32, block=True) as http, ThreadPoolExecutor(32) as pool:
        return list(pool.map(lambda url: len(http.request("GET", url).data), todo))
