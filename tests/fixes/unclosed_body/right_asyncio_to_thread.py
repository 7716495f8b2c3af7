# right
import asyncio

import requests

session = requests.Session()


def size_of(url):
    with session.get(url, stream=True) as response:
        return len(response.content)


async def all_sizes(urls):
    return [await asyncio.to_thread(size_of, url) for url in urls]


def run(urls):
    """Fetch every export and return their sizes."""
    return asyncio.run(all_sizes(urls))
