# right
import asyncio
from urllib.parse import urlsplit


async def ask(url):
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        return (await reader.readexactly(length)).decode()
    finally:
        writer.close()


async def ask_all(services, deadline):
    answers = {}

    async def one(name, url):
        try:
            async with asyncio.timeout(deadline):
                answers[name] = await ask(url)
        except TimeoutError:
            pass

    async with asyncio.TaskGroup() as group:
        for name, url in services.items():
            group.create_task(one(name, url))
    return {"answers": answers, "late": [name for name in services if name not in answers]}


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    return asyncio.run(ask_all(services, deadline))
