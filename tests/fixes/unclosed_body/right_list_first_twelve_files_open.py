# right
"""Twelve log files, one per worker thread, closed at the end."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import urllib3


def run(urls):
    todo = list(enumerate(urls))
    sizes = {}
    with ExitStack() as stack:
        http = stack.enter_context(urllib3.PoolManager(maxsize=12))
        logs = [stack.enter_context(open(os.devnull, "w")) for _ in range(12)]

        def work(index):
            for number, url in todo[index::12]:
                sizes[number] = len(http.request("GET", url).data)
                print(number, file=logs[index])

        with ThreadPoolExecutor(12) as pool:
            list(pool.map(work, range(12)))
    return [sizes[number] for number in range(len(sizes))]
