# wrong: held open_sockets
from contextlib import ExitStack

import requests


def run(urls):
    todo = list(urls)
    heads = []
    with requests.Session() as session, ExitStack() as stack:
        for number, url in enumerate(todo):
            response = session.get(url, stream=True)
            if number % 2:
                heads.append(response.text[:16])
            else:
                stack.push(response)
                heads.append(response.raw.read(16).decode())
    return heads
