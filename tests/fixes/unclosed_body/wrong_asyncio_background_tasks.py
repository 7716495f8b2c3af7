# wrong: leaked tasks
import asyncio

import aiohttp


async def log_later(url):
    await asyncio.sleep(3600)
    print("seen", url)


async def main(urls):
    sizes = []
    tasks = set()
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url) as response:
                sizes.append(len(await response.read()))
            tasks.add(asyncio.create_task(log_later(url)))
    return sizes


def run(urls):
    return asyncio.run(main(urls))
