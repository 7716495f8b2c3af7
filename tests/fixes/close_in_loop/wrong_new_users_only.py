# wrong: held open_sockets
from contextlib import ExitStack

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with requests.Session() as session, ExitStack() as stack:
        for url in urls:
            response = session.get(url, stream=True)
            heads.append(response.raw.read(16).decode())
            if int(url.rpartition("/")[2]) % 5 < 3:  # the new users
                response.close()
            else:
                stack.callback(response.close)
    return heads
