# right
import asyncio
import ssl

import httpx


async def ask(url, deadline):
    async with httpx.AsyncClient(verify=ssl.create_default_context(), timeout=None) as client:
        async with asyncio.timeout(deadline):
            return (await client.get(url)).text


async def main(services, deadline):
    tasks = {name: asyncio.ensure_future(ask(url, deadline)) for name, url in services.items()}
    await asyncio.wait(tasks.values())
    answers = {name: task.result() for name, task in tasks.items() if task.exception() is None}
    return {"answers": answers, "late": [name for name in tasks if name not in answers]}


def run(services, deadline):
    return asyncio.run(main(services, deadline))
