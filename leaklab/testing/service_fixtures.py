"""The lab's services as fixtures for one's own code: they count what is asked of them, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaklab.services.client import Services
    from leaklab.testing.counting_services import CountingHttp, CountingMongo


@pytest.fixture(scope="session")
def _leaklab_services() -> Iterator[Services]:
    from leaklab.services.client import Services

    with Services() as services:
        yield services


@pytest.fixture
def leaklab_http(_leaklab_services: Services) -> Iterator[CountingHttp]:
    """An HTTP service for this test, which counts connections and requests: `get(leaklab_http.url("/profiles/1"))`."""
    from leaklab.testing.counting_services import CountingHttp

    with CountingHttp(_leaklab_services) as service:
        yield service


@pytest.fixture
def leaklab_mongo(_leaklab_services: Services) -> Iterator[CountingMongo]:
    """A MongoDB server for this test, which counts connections, cursors and sessions: `MongoClient(leaklab_mongo.uri)`.

    It is not a MongoDB: it has the commands that clients send for reading and writing, and mongomock behind them.
    """
    from leaklab.testing.counting_services import CountingMongo

    with CountingMongo(_leaklab_services) as service:
        yield service
