"""What is said of connections that were not used again: by which client, and whether their bodies were read."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from leaklab.explain.explaining import Plan
from leaklab.services.client import Services
from tests.unit.explain.conftest import N, hear, marked

UNREAD = "closed with its body unread"
READ = "closed, its body read"
ASKED = "closed after one answer, as its request asked for (Connection: close)"

WASTE = {
    "closed before it was read": (
        """
        import requests
        session = requests.Session()
        def run(address, items):
            for item in items:
                session.get(f"http://{address[0]}:{address[1]}/bytes/5000?{item}", stream=True).close()  # here
        """,
        f"{UNREAD} (5,000 bytes left)",
    ),
    "kept open": (
        """
        import requests
        session, kept = requests.Session(), []
        def run(address, items):
            for item in items:
                kept.append(session.get(f"http://{address[0]}:{address[1]}/bytes/5000?{item}", stream=True))  # here
        """,
        "still open with its body unread (5,000 bytes left)",
    ),
    "a session each": (
        """
        import requests
        def run(address, items):
            for item in items:
                requests.get(f"http://{address[0]}:{address[1]}/bytes/10?{item}")  # here
        """,
        f"{READ}; each was made by a new Session",
    ),
    "a session each, in threads": (
        """
        import requests
        from concurrent.futures import ThreadPoolExecutor
        def run(address, items):
            urls = [f"http://{address[0]}:{address[1]}/bytes/10?{item}" for item in items]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(requests.get, urls))  # here
        """,
        f"{READ}; each was made by a new Session",
    ),
    "urllib": (
        """
        from urllib.request import urlopen
        def run(address, items):
            for item in items:
                urlopen(f"http://{address[0]}:{address[1]}/bytes/10?{item}").read()  # here
        """,
        ASKED,
    ),
    "a server that ends each": (
        """
        import requests
        session = requests.Session()
        def run(address, items):
            for item in items:
                session.get(f"http://{address[0]}:{address[1]}/close/{item}")  # here
        """,
        "closed after one answer, as the server ends it then",
    ),
    "a connection each": (
        """
        from http.client import HTTPConnection
        def run(address, items):
            for item in items:
                connection = HTTPConnection(*address)
                connection.request("GET", f"/bytes/10?{item}")  # here
                connection.getresponse().read()
                connection.close()
        """,
        f"{READ}; each was made by a new HTTPConnection",
    ),
    "httpx, not read": (
        """
        import httpx
        def run(address, items):
            with httpx.Client() as client:
                for item in items:
                    url = f"http://{address[0]}:{address[1]}/bytes/5000000?{item}"
                    with client.stream("GET", url) as response:  # here
                        pass
        """,
        UNREAD,
    ),
    "httpx, a client each": (
        """
        import asyncio, httpx
        async def main(address, items):
            for item in items:
                async with httpx.AsyncClient() as client:
                    await client.get(f"http://{address[0]}:{address[1]}/bytes/10?{item}")  # here
        def run(address, items):
            asyncio.run(main(address, items))
        """,
        f"{READ}; each was made by a new AsyncClient",
    ),
    "aiohttp, not read": (
        """
        import asyncio, aiohttp
        async def main(address, items):
            async with aiohttp.ClientSession() as session:
                for item in items:
                    async with session.get(f"http://{address[0]}:{address[1]}/bytes/5000000?{item}"):  # here
                        pass
        def run(address, items):
            asyncio.run(main(address, items))
        """,
        UNREAD,
    ),
    "aiohttp, a session each": (
        """
        import asyncio, aiohttp
        async def main(address, items):
            for item in items:
                async with aiohttp.ClientSession() as session:
                    async with session.get(f"http://{address[0]}:{address[1]}/bytes/10?{item}") as response:  # here
                        await response.read()
        def run(address, items):
            asyncio.run(main(address, items))
        """,
        f"{READ}; each was made by a new ClientSession",
    ),
    "sockets": (
        """
        import socket
        def run(address, items):
            for item in items:
                with socket.create_connection(tuple(address)) as sock:  # here
                    sock.sendall(b"GET /bytes/10 HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
                    while sock.recv(1000):
                        pass
        """,
        "closed",
    ),
}


@pytest.mark.parametrize("name", WASTE)
def test_what_became_of_connections_that_were_not_used_again(services: Services, tmp_path: Path, name: str) -> None:
    source, became = WASTE[name]
    file = tmp_path / "half.py"
    file.write_text(dedent(source), encoding="utf-8")
    statement = hear(services, file, Plan(left={"connections": N}))
    assert statement.trouble == ""
    (group,) = statement.of("connections", ("left",))
    assert group.opened is not None
    assert (group.count, group.opened.line, group.became) == (N, marked(file, "here"), became)


def test_a_session_that_is_used_again_opens_one_connection(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    file.write_text(
        "import requests\ndef run(address, items):\n    session = requests.Session()\n    for item in items:\n"
        "        session.get(f'http://{address[0]}:{address[1]}/bytes/10?{item}')\n",
        encoding="utf-8",
    )
    (group,) = hear(services, file, Plan(left={"connections": 1})).of("connections", ("left",))
    assert group.count == 1
