"""The MongoDB server of one half, in the services' process: the embedded one or a real one, and the run's database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from leaklab.errors import LeaklabError
from leaklab.services.database import Database
from leaklab.services.kinds import ServiceCounts, ServiceNeeds

if TYPE_CHECKING:
    from leaklab.services.mongo.server import MongoService

T = TypeVar("T")


class HostedMongo:
    """A MongoDB server with the lab's own client; read by `serverStatus`, and exactly where it is the embedded one."""

    def __init__(
        self, uri: str, database: Database, service: MongoService | None, blocking: ThreadPoolExecutor
    ) -> None:
        self._database = database
        self._service = service
        self._blocking = blocking
        self.ports = database.ports
        kind = "server" if service is None else "embedded, mongomock behind MongoDB's wire protocol, as"
        self.server: str | None = f"{kind} {database.version}"
        self.endpoint = {"uri": uri, "database": database.name}

    @classmethod
    async def start(cls, needs: ServiceNeeds, blocking: ThreadPoolExecutor) -> HostedMongo:
        """Start the embedded server, or reach the real one; make the run's database and fill it.

        Raises:
            UsageError: `needs.mongo_uri` is not a MongoDB URI.
            MeasureError: the server cannot be reached or read.
        """
        uri, service = needs.mongo_uri, None
        if uri is None:
            from leaklab.services.mongo.server import MongoService

            service = MongoService()
            uri = f"mongodb://127.0.0.1:{await service.start()}"
        loop = asyncio.get_running_loop()
        try:
            database = await loop.run_in_executor(blocking, Database, uri)
        except LeaklabError:
            if service is not None:
                await service.stop()
            raise
        hosted = cls(uri, database, service, blocking)
        try:
            await loop.run_in_executor(blocking, database.seed, needs.documents)
        except LeaklabError:
            await hosted.stop()
            raise
        return hosted

    async def counts(self) -> ServiceCounts:
        """What `serverStatus` reports, and the exact peak of open cursors where the server is the embedded one."""
        cursors, connections, reads, writes = await self._blocked(self._database.read)
        own = None if self._service is None else self._service.counts()
        return ServiceCounts(
            counters={"cursors": cursors, "connections": connections, "requests": reads},
            peaks={} if own is None else {"cursors": own.cursors_peak},
            routes={name: count for name, count in (("read", reads), ("write", writes)) if count},
            connections=(connections, None if own is None else own.connections_open),
        )

    async def stop(self) -> None:
        """Drop the run's database; end the embedded server."""
        await self._blocked(self._database.drop)
        if self._service is not None:
            await self._service.stop()

    async def _blocked(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._blocking, call)
