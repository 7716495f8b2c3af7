# right
from concurrent.futures import ThreadPoolExecutor

import requests


def finish(response):
    response.content
    response.close()


def run(urls):
    heads = []
    with requests.Session() as session, ThreadPoolExecutor(1) as pool:
        pending = None
        for url in urls:
            if pending is not None:
                pending.result()
            response = session.get(url, stream=True)
            heads.append(response.raw.read(16).decode())
            pending = pool.submit(finish, response)
        if pending is not None:
            pending.result()
    return heads
