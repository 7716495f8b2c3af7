# wrong: held open_sockets
from contextlib import ExitStack

import requests


def run(urls):
    heads = []
    with requests.Session() as session, ExitStack() as audited:
        for number, url in enumerate(urls):
            if number % 5 == 0:
                response = audited.enter_context(session.get(url, stream=True))
                heads.append(response.raw.read(16).decode())
            else:
                with session.get(url) as response:
                    heads.append(response.text[:16])
    return heads
