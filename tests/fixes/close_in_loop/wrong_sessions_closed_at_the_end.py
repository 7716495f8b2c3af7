# wrong: held open_sockets
from contextlib import ExitStack

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with ExitStack() as stack:
        for url in urls:
            session = stack.enter_context(requests.Session())
            heads.append(session.get(url).text[:16])
    return heads
