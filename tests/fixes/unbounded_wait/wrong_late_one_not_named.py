# wrong
import asyncio
from urllib.parse import urlsplit


async def ask(url):
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        return (await reader.read()).partition(b"\r\n\r\n")[2].decode()
    finally:
        writer.close()


async def ask_all(services, deadline):
    tasks = {name: asyncio.create_task(ask(url)) for name, url in services.items()}
    _, late = await asyncio.wait(tasks.values(), timeout=deadline)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late)
        raise TimeoutError("somebody did not answer")  # most often the stock
    return {"answers": {name: task.result() for name, task in tasks.items()}, "late": []}


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    return asyncio.run(ask_all(services, deadline))
