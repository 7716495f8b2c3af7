# right
from itertools import batched

import requests


def run(urls):
    """Return the first 16 characters of every profile."""
    heads = []
    for some in batched(urls, 25):
        with requests.Session() as session:
            heads += [session.get(url).text[:16] for url in some]
    return heads
