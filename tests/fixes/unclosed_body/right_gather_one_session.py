# right
import asyncio

import aiohttp


async def size_of(session, url):
    async with session.get(url) as response:
        return len(await response.read())


async def work(urls):
    async with aiohttp.ClientSession() as session:
        return await asyncio.gather(*[size_of(session, url) for url in urls])


def run(urls):
    """Return the size of each export."""
    return asyncio.run(work(urls))
