# wrong: held open_sockets
from contextlib import ExitStack

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        for url in urls:
            response = stack.enter_context(session.get(url, stream=True))
            heads.append(response.raw.read(16).decode())
    return heads
