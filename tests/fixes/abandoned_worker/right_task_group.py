# right
import asyncio

import aiohttp


async def fetch(session, url, answer):
    """Hand over the status and the text of `url`."""
    async with session.get(url) as response:
        text = await response.text()
    await answer.put(response.status)
    await answer.put(text)


async def ask(session, url, patience):
    """The status and the text of `url`, or None if they take more seconds than `patience`."""
    answer = asyncio.Queue(maxsize=1)
    try:
        async with asyncio.timeout(patience), asyncio.TaskGroup() as group:
            group.create_task(fetch(session, url, answer))
            return await answer.get(), await answer.get()
    except TimeoutError:
        return None


async def ask_all(urls, patience):
    async with aiohttp.ClientSession() as session:
        return [url for url in urls if await ask(session, url, patience) is None]


def run(urls, patience):
    """Ask for all URLs, one after the other; return those whose answer was late."""
    return asyncio.run(ask_all(urls, patience))
