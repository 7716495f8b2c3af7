# right
import asyncio

import aiohttp

failures = []


async def ask_all(urls):
    failed = []
    async with aiohttp.ClientSession() as session:
        for url in urls:
            try:
                async with session.get(url, max_redirects=31):
                    pass
            except aiohttp.TooManyRedirects as error:
                failures.append(error.status)
                failed.append(url)
    return failed


def run(urls):
    """Return the URLs that redirect too often."""
    return asyncio.run(ask_all(urls))
