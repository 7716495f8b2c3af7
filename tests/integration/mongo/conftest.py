"""The servers that the cases ask, and collections for them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.integration.mongo.servers import Client, Data, Docs, Server, cursors_open, numbers, open_before, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["embedded", "secantus"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "secantus" and importlib.util.find_spec("secantus") is None:
        pytest.skip("SecantusDB is not installed (it has no release for this Python)")
    with running(request.param) as started:
        yield started


@pytest.fixture(scope="module")
def embedded() -> Iterator[Server]:
    with running("embedded") as started:
        yield started


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.uri) as connected:
        # Where SecantusDB deviates it may have kept cursors: each case counts from its own start.
        open_before[server.port] = 0
        open_before[server.port] = cursors_open(connected)
        yield connected


@pytest.fixture
def db(client: Client) -> Iterator[Data]:
    name = f"lab{next(numbers)}"
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def thousand(db: Data) -> Docs:
    db.numbers.insert_many([{"_id": i, "n": i % 10, "text": f"number {i}"} for i in range(1000)])
    return db.numbers


@pytest.fixture
def capped(db: Data) -> Docs:
    collection = db.create_collection("log", capped=True, size=100_000, max=100)
    collection.insert_many([{"_id": i} for i in range(3)])
    return collection
