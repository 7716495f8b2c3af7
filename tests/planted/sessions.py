"""Starts sessions on a MongoDB server and ends them, as many at each step as it is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import MongoClient
from pymongo.client_session import ClientSession

kept: list[ClientSession] = []
clients: list[MongoClient[dict[str, Any]]] = []  # a service keeps its client for life


def run(
    mongo_uri: str, database: str, jobs: Iterable[int], opens: list[int], gives_back: list[int], *, clean_up: bool
) -> int:
    """A session that was ended is the client's to use again: the server is told only when the client is closed."""
    found = 0
    if not clients:
        clients.append(MongoClient(mongo_uri))
    client = clients[0]
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        for _ in range(old):
            kept.pop(0).end_session()
        for _ in range(new):
            kept.append(client.start_session())
            found += client[database]["orders"].find_one({}, session=kept[-1]) is not None
    while clean_up and kept:
        kept.pop(0).end_session()
    return found
