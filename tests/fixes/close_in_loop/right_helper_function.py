# right
from contextlib import ExitStack

import requests


def head_of(session, url):
    with ExitStack() as stack:
        response = stack.enter_context(session.get(url, stream=True))
        return response.text[:16]


def run(urls):
    """Return the first 16 characters of every profile."""
    with requests.Session() as session:
        return [head_of(session, url) for url in urls]
