# wrong: held open_sockets
from contextlib import ExitStack

import requests


def run(urls):
    base = urls[0].rpartition("/")[0]
    heads = []
    with ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        for number in range(1, len(urls) + 1):
            response = stack.enter_context(session.get(f"{base}/{number}", stream=True))
            heads.append(response.raw.read(16).decode())
    return heads
