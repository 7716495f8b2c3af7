# right
import queue
from concurrent.futures import ThreadPoolExecutor

import requests

sessions = queue.SimpleQueue()
for _ in range(2):
    sessions.put(requests.Session())


def size_of(url):
    session = sessions.get()
    try:
        return len(session.get(url).content)
    finally:
        sessions.put(session)


def run(urls):
    """Fetch every export and return their sizes."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(size_of, urls))
