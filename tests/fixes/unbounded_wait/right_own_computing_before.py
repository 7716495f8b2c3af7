# right
import asyncio
import time

import aiohttp


def prepare():
    until = time.process_time() + 0.2
    total = 0
    while time.process_time() < until:
        total += sum(range(1000))
    return total


async def main(services, deadline):
    answers = {}
    async with aiohttp.ClientSession() as session:

        async def ask(name, url):
            async with asyncio.timeout(deadline), session.get(url) as response:
                answers[name] = await response.text()

        await asyncio.gather(*(ask(*each) for each in services.items()), return_exceptions=True)
    return {"answers": answers, "late": sorted(services.keys() - answers.keys())}


def run(services, deadline):
    prepare()
    return asyncio.run(main(services, deadline))
