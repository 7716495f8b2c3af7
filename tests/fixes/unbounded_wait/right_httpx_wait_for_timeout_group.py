# right
import asyncio

import httpx


class ServiceLate(TimeoutError):
    def __init__(self, names):
        super().__init__(f"{', '.join(names)} did not answer in time")


async def main(services, deadline):
    answers = {}
    async with httpx.AsyncClient(timeout=None) as client:

        async def ask(name, url):
            response = await client.get(url)
            answers[name] = response.text

        try:
            async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
                for name, url in services.items():
                    group.create_task(ask(name, url), name=name)
        except TimeoutError:
            raise ServiceLate([name for name in services if name not in answers]) from None
    return {"answers": answers, "late": []}


def run(services, deadline):
    return asyncio.run(main(services, deadline))
