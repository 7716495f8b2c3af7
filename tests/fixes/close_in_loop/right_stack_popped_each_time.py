# right
from contextlib import ExitStack

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session, ExitStack() as stack:
        for url in urls:
            response = stack.enter_context(session.get(url, stream=True))
            heads.append(response.content[:16].decode())
            stack.close()
    return heads
