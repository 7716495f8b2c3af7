# wrong: wasted connections_opened
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import requests


def run(urls):
    """The pool is warmed up for the parsing that comes later."""
    with ThreadPoolExecutor(60) as pool:
        ready = Barrier(61)
        for _ in range(60):
            pool.submit(ready.wait)
        ready.wait()
        return [len(requests.get(url).content) for url in urls]
