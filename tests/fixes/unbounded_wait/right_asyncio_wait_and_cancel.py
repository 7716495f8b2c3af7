# right
import asyncio
from urllib.parse import urlsplit


async def ask(url):
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        return body.decode()
    finally:
        writer.close()
        await writer.wait_closed()


async def ask_all(services, deadline):
    tasks = {name: asyncio.create_task(ask(url)) for name, url in services.items()}
    done, pending = await asyncio.wait(tasks.values(), timeout=deadline)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return {
        "answers": {name: task.result() for name, task in tasks.items() if task in done},
        "late": [name for name, task in tasks.items() if task in pending],
    }


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    return asyncio.run(ask_all(services, deadline))
