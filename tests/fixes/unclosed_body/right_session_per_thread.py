# right
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

local = threading.local()


def size_of(url):
    if not hasattr(local, "session"):
        local.session = requests.Session()
    return len(local.session.get(url).content)


def run(urls):
    """Fetch every export and return their sizes."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        return list(pool.map(size_of, urls))
