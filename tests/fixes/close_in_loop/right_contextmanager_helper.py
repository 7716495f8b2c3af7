# right
from contextlib import contextmanager

import requests


@contextmanager
def opened(session, url):
    response = session.get(url, stream=True)
    try:
        yield response
    finally:
        for _ in response.iter_content(4096):
            pass  # to the end, so that the connection can be used again
        response.close()


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session:
        for url in urls:
            with opened(session, url) as response:
                heads.append(response.raw.read(16).decode())
    return heads
