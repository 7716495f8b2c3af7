# right
import asyncio

import httpx


async def ask_all(urls, patience):
    late = []
    async with httpx.AsyncClient() as client:
        for url in urls:
            try:
                async with asyncio.timeout(patience):
                    await client.get(url)
            except TimeoutError:
                late.append(url)
    return late


def run(urls, patience):
    """Ask for all URLs, one after the other; return those whose answer was late."""
    return asyncio.run(ask_all(urls, patience))
