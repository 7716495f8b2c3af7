# right
import asyncio

import requests


async def heads_of(urls):
    with requests.Session() as session:
        return [(await asyncio.to_thread(session.get, url)).text[:16] for url in urls]


def run(urls):
    """Return the first 16 characters of every profile."""
    return asyncio.run(heads_of(urls))
