# right
import asyncio
import socket
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


def read(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read().decode()


async def ask(url, deadline):
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port)
    connection.connect()
    reading = asyncio.create_task(asyncio.to_thread(read, connection, parts.path))
    try:
        return await asyncio.wait_for(asyncio.shield(reading), deadline)
    except TimeoutError:
        connection.sock.shutdown(socket.SHUT_RDWR)
        try:
            await reading
        except (HTTPException, OSError):
            pass
        return None
    finally:
        connection.close()


async def ask_all(services, deadline):
    texts = await asyncio.gather(*(ask(url, deadline) for url in services.values()))
    found = dict(zip(services, texts, strict=True))
    return {
        "answers": {name: text for name, text in found.items() if text is not None},
        "late": [name for name, text in found.items() if text is None],
    }


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    return asyncio.run(ask_all(services, deadline))
