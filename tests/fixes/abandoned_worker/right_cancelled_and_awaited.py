# right
import asyncio

import aiohttp

workers = set()  # the event loop itself keeps only weak references to tasks


async def fetch(session, url, answer):
    """Hand over the status and the text of `url`."""
    async with session.get(url) as response:
        text = await response.text()
    await answer.put(response.status)
    await answer.put(text)


async def ask(session, url, patience):
    """The status and the text of `url`, or None if they take more seconds than `patience`."""
    answer = asyncio.Queue(maxsize=1)
    worker = asyncio.create_task(fetch(session, url, answer))
    workers.add(worker)
    worker.add_done_callback(workers.discard)
    try:
        async with asyncio.timeout(patience):
            return await answer.get(), await answer.get()
    except TimeoutError:
        return None
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def ask_all(urls, patience):
    async with aiohttp.ClientSession() as session:
        late = [url for url in urls if await ask(session, url, patience) is None]
        if workers:  # the last ones still use the session
            await asyncio.wait(workers, timeout=0.5)
    return late


def run(urls, patience):
    """Ask for all URLs, one after the other; return those whose answer was late."""
    return asyncio.run(ask_all(urls, patience))
