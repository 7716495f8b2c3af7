# right
import asyncio

import aiohttp


async def fetch(session, url):
    async with session.get(url) as response:
        return response.status, await response.text()


async def ask_all(urls, patience):
    late = []
    async with aiohttp.ClientSession() as session:
        for url in urls:
            try:
                await asyncio.wait_for(asyncio.create_task(fetch(session, url)), patience)
            except TimeoutError:
                late.append(url)
    return late


def run(urls, patience):
    """Ask for all URLs, one after the other; return those whose answer was late."""
    return asyncio.run(ask_all(urls, patience))
