# wrong: leaked open_sockets
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

session = requests.Session()
done = []


def run(urls):
    """Fetch every export and return their sizes."""
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(partial(session.get, stream=True), url) for url in urls]
    done.extend(futures)
    return [int(future.result().headers["Content-Length"]) for future in futures]
