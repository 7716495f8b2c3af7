# wrong: wasted connections_opened
from contextlib import ExitStack

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    for url in urls:
        with ExitStack() as stack:
            session = stack.enter_context(requests.Session())
            response = stack.enter_context(session.get(url))
            heads.append(response.text[:16])
    return heads
