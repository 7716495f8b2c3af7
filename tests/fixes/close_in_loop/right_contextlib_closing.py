# right
from contextlib import closing

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    with closing(requests.Session()) as session:
        for url in urls:
            with closing(session.get(url, stream=True)) as response:
                heads.append(b"".join(response.iter_content(16))[:16].decode())
    return heads
