# right
import asyncio

import aiohttp


async def ask(session, url, patience):
    try:
        async with asyncio.timeout(patience), session.get(url) as response:
            return response.status, await response.text()
    except TimeoutError:
        return None


async def ask_all(urls, patience):
    async with aiohttp.ClientSession() as session:
        return [url for url in urls if await ask(session, url, patience) is None]


def run(urls, patience):
    """Ask for all URLs, one after the other; return those whose answer was late."""
    return asyncio.run(ask_all(urls, patience))
