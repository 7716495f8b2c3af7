"""Opens cursors on a MongoDB server and closes them, as many at each step as it is told."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from pymongo import MongoClient
from pymongo.cursor import Cursor

kept: list[Cursor[dict[str, Any]]] = []
clients: list[MongoClient[dict[str, Any]]] = []  # a service keeps its client for life


def run(
    mongo_uri: str,
    database: str,
    jobs: Iterable[int],
    opens: list[int],
    gives_back: list[int],
    pause: float,
    *,
    clean_up: bool,
    drop: bool,
) -> int:
    """Cursors that were dropped are closed by pymongo's own thread, about once a second."""
    found = 0
    if not clients:
        clients.append(MongoClient(mongo_uri))
    client = clients[0]
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        for _ in range(old):
            kept.pop(0).close()
        for _ in range(new):
            cursor = client[database]["orders"].find(batch_size=2)
            found += next(cursor) is not None
            if not drop:
                kept.append(cursor)
        time.sleep(pause)
    while clean_up and kept:
        kept.pop(0).close()
    return found
