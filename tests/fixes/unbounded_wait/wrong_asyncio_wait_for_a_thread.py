# wrong: stalled elapsed
import asyncio

import requests


async def ask_all(services, deadline):
    answers = {}

    async def ask(name, url):
        try:
            response = await asyncio.wait_for(asyncio.to_thread(requests.get, url), deadline)
        except TimeoutError:
            return
        answers[name] = response.text

    await asyncio.gather(*(ask(name, url) for name, url in services.items()))
    return {"answers": answers, "late": [name for name in services if name not in answers]}


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    return asyncio.run(ask_all(services, deadline))
