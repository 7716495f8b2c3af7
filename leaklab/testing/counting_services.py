"""The lab's services for one test of one's own: started for it alone, so that all that they count is its."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint
from leaklab.services.kinds import ServiceNeeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.services.client import HalfServices, Services
    from leaklab.services.kinds import ServiceCounts

E = TypeVar("E")


class CountingService(Generic[E]):
    """A service of one kind, for as long as it is entered."""

    kind = ""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._its: HalfServices
        self._endpoint: E

    def __enter__(self) -> Self:
        self._its = self._services.start([self.kind], ServiceNeeds())
        self._endpoint = self._its.endpoints[self.kind]
        self._counts()  # what a database counts, it counts from the first question on
        return self

    def __exit__(self, *_: object) -> None:
        self._services.stop(self._its)

    def _counts(self) -> ServiceCounts:
        """What it counts now. Raises MeasureError if the services' process is gone."""
        self._services.ask_counts(self._its)
        return self._services.hear_counts(self._its)

    def _count(self, counter: str) -> int:
        return self._counts().counters.get(counter) or 0

    @property
    def connections_opened(self) -> int:
        """Connections that were opened so far."""
        return self._count("connections")

    @property
    def requests_served(self) -> int:
        """Requests that came in so far; of MongoDB, those that read."""
        return self._count("requests")

    @property
    def requests_by_route(self) -> Mapping[str, int | None]:
        """The same by the kind of request."""
        return self._counts().routes


class CountingHttp(CountingService[HttpEndpoint]):
    """The HTTP service. Its routes are those that leaklab's scenarios use (docs/at-work.md lists them)."""

    kind = "http"

    def url(self, path: str = "/profiles/1") -> str:
        """The address of a path, which begins with a slash: `/bytes/1024`, `/silent`, `/status/503`."""
        return self._endpoint.url(path)

    def urls(self, count: int) -> list[str]:
        """The addresses of so many profiles, a JSON document of about 2 kB each."""
        return [self.url(f"/profiles/{number}") for number in range(1, count + 1)]

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return self._counts().half_connections or 0


class CountingMongo(CountingService[MongoEndpoint]):
    """The MongoDB server, with an empty database of its own."""

    kind = "mongo"

    @property
    def uri(self) -> str:
        """What a client connects to: `MongoClient(leaklab_mongo.uri)`."""
        return self._endpoint.uri

    @property
    def database(self) -> str:
        """The name of a database that is this test's."""
        return self._endpoint.database

    @property
    def open_cursors(self) -> int:
        """Cursors that are open on the server now."""
        return self._count("cursors")
