"""The embedded MongoDB server and SecantusDB, an independent peer, each a process of its own; pymongo's side of them.

What both are asked is written once; where SecantusDB deviates from what MongoDB documents, the case says so and names
the source. What only the embedded server offers (its counts, its robustness against garbage) is tested on it alone.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Document = dict[str, Any]
Client = MongoClient[Document]
Data = Database[Document]
Docs = Collection[Document]

PATIENCE_S = 20.0  # how long something is waited for before it is said not to happen
_EMBEDDED = """
import asyncio
from leaklab.services.mongo.server import MongoService

async def main():
    print("listening on 127.0.0.1:%d" % await MongoService().start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_COMMANDS = {
    "embedded": [sys.executable, "-c", _EMBEDDED],
    "secantus": [
        sys.executable, "-m", "secantus", "--port", "0", "--storage-path", ":memory:", "--standalone",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Server:
    name: str
    port: int

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"


@contextlib.contextmanager
def running(name: str) -> Iterator[Server]:
    process = subprocess.Popen(_COMMANDS[name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail(f"{name} did not start: {''.join(said)}")
        # What it says later must be read, or a full pipe would stop it.
        reader = threading.Thread(target=lambda: said.extend(process.stdout or ()))
        reader.start()
        yield Server(name, int(found[1]))
        if name == "embedded":
            assert process.poll() is None, "the server died"
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()
    if name == "embedded":
        assert said == [line for line in said if line.startswith("listening")], "it printed something"


numbers = itertools.count()
open_before: dict[int, int] = {}


def cursors_open(client: Client) -> int:
    total: int = client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
    _, port = client.address or ("", 0)
    return total - open_before[port]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, at most PATIENCE_S seconds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def error_of(call: Callable[[], object]) -> OperationFailure:
    with pytest.raises(OperationFailure) as caught:
        call()
    return caught.value
