# right
from concurrent.futures import ThreadPoolExecutor, as_completed

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    session = requests.Session()
    pool = ThreadPoolExecutor(max_workers=3)
    futures = {pool.submit(session.get, url): number for number, url in enumerate(urls)}
    heads = [""] * len(futures)
    for future in as_completed(futures):
        heads[futures[future]] = future.result().text[:16]
    pool.shutdown()
    session.close()
    return heads
