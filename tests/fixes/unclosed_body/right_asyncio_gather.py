# right
import asyncio

import requests

session = requests.Session()


async def size_of(url, few):
    async with few:
        response = await asyncio.to_thread(session.get, url)
        return len(response.content)


async def all_sizes(urls):
    few = asyncio.Semaphore(4)
    return await asyncio.gather(*(size_of(url, few) for url in urls))


def run(urls):
    """Fetch every export and return their sizes."""
    return asyncio.run(all_sizes(urls))
