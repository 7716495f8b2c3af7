# wrong: held open_sockets
from concurrent.futures import ThreadPoolExecutor

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    with requests.Session() as session, ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda url: session.get(url, stream=True), urls))
        heads = [response.raw.read(16).decode() for response in responses]
        for response in responses:
            response.close()
    return heads
