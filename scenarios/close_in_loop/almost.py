from contextlib import ExitStack

import requests

BATCH = 10


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session, ExitStack() as stack:
        for number, url in enumerate(urls, start=1):
            response = stack.enter_context(session.get(url, stream=True))
            heads.append(response.raw.read(16).decode())
            if number % BATCH == 0:
                stack.close()
    return heads
