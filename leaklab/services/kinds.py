"""The one table of services: what a scenario can ask for, what runs it, and what its halves get of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@dataclass(frozen=True, slots=True)
class ServiceNeeds:
    """What a scenario and its user want of the services; each kind takes what concerns it.

    Attributes:
        documents: what a database holds before the half runs: documents by collection.
        capped: bytes of each capped collection, by its name.
        mongo_uri: a real MongoDB server; None for the embedded one.
        database: the name of the run's own database.
    """

    documents: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)
    capped: Mapping[str, int] = field(default_factory=dict)
    mongo_uri: str | None = None
    database: str = field(default_factory=lambda: f"leaklab_{os.urandom(6).hex()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCounts:
    """The exact counts of a service, or of all services of a half.

    Attributes:
        counters: by the name that the metrics' table has for them (`Metric.counter`); None where a service cannot say.
        peaks: the highest value so far, by the same names.
        routes: requests by the kind of request; None where a service cannot say.
        connections: opened and open now, as far as the service says: while they are unchanged, none came or went.
        half_connections: connections open now that are certainly the half's; None where the service cannot say.
        answers_due: answers that take their time and that a client still waits for; None where there are none.
        waited_s: seconds so far in which clients waited for such answers; None where there are none.
    """

    counters: Mapping[str, int | None] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    routes: Mapping[str, int | None] = field(default_factory=dict)
    connections: Sequence[int | None] = ()
    half_connections: int | None = None
    answers_due: int | None = None
    waited_s: float | None = None

    def __add__(self, other: ServiceCounts) -> ServiceCounts:
        """The counts of both; a counter that one of them cannot say is None."""
        counters = dict(self.counters)
        for name, count in other.counters.items():
            before = counters.get(name, 0)
            counters[name] = None if before is None or count is None else before + count
        return ServiceCounts(
            counters=counters,
            peaks={**self.peaks, **other.peaks},
            routes={**self.routes, **other.routes},
            connections=(*self.connections, *other.connections),
            half_connections=self.half_connections if other.half_connections is None else other.half_connections,
            answers_due=self.answers_due if other.answers_due is None else other.answers_due,
            waited_s=self.waited_s if other.waited_s is None else other.waited_s,
        )


class HostedService(Protocol):
    """A service that runs in the services' process for one half.

    Attributes:
        ports: the ports that it listens on.
        server: which server it is, where there are several; None where there is only the lab's own.
        endpoint: the arguments of its kind's endpoint.
    """

    ports: Sequence[int]
    server: str | None
    endpoint: Mapping[str, Any]

    @classmethod
    async def start(cls, needs: ServiceNeeds, blocking: ThreadPoolExecutor) -> HostedService:
        """Start one; calls that block belong on `blocking`. Raises LeaklabError if it cannot be had."""

    async def counts(self) -> ServiceCounts:
        """Its exact counts now."""

    async def stop(self) -> None:
        """End it; nothing of it is left."""


class ServiceKind(NamedTuple):
    """One kind of service.

    Attributes:
        hosted: the HostedService, as `module:class`: imported only in the services' process, and only when needed.
        endpoint: what a half's workload is made from.
    """

    hosted: str
    endpoint: Callable[..., object]


SERVICE_KINDS: Mapping[str, ServiceKind] = {
    "http": ServiceKind("leaklab.services.hosted_http:HostedHttp", HttpEndpoint),
    "mongo": ServiceKind("leaklab.services.hosted_mongo:HostedMongo", MongoEndpoint),
}
"""The kinds, by what a scenario calls them."""
