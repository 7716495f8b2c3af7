"""The MongoDB server of one half, in the services' process: the embedded one or a real one, and the run's database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from leaklab.services.database import Database
from leaklab.services.kinds import ServiceCounts, ServiceNeeds

if TYPE_CHECKING:
    from leaklab.services.mongo.server import MongoService


class HostedMongo:
    """A MongoDB server with the lab's own client; read by `serverStatus`, and exactly where it is the embedded one."""

    def __init__(
        self, uri: str, database: Database, service: MongoService | None, run: Callable[..., Awaitable[Any]]
    ) -> None:
        self._database = database
        self._service = service
        self._run = run
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
        run = partial(asyncio.get_running_loop().run_in_executor, blocking)
        async with AsyncExitStack() as undo:
            if uri is None:
                from leaklab.services.mongo.server import MongoService

                name = f"leaklab-{os.urandom(8).hex()}"
                service = MongoService(name=name)
                uri = f"mongodb://127.0.0.1:{await service.start()}/?appname={name}"
                undo.push_async_callback(service.stop)
            database = await run(Database, uri, needs.database)
            undo.push_async_callback(run, database.drop)
            await run(database.seed, needs.documents, needs.capped)
            undo.pop_all()
        return cls(uri, database, service, run)

    async def counts(self) -> ServiceCounts:
        """What `serverStatus` reports, and the exact peak of open cursors where the server is the embedded one."""
        # The embedded server is asked without its wire: a half that keeps it busy does not keep it from saying that.
        status = None if self._service is None else self._service.commands.server_status()
        read = await self._run(self._database.read) if status is None else self._database.read(status)
        cursors, sessions, connections, reads, writes = read
        own = None if self._service is None else self._service.counts()
        # A real server goes on counting a session that was ended until it next refreshes its cache, up to 5 minutes
        # later (logical_session_cache_impl.cpp, `endSessions` and `_refresh`): it cannot say which are open. And every
        # open cursor has a session, which its client then keeps for the next one: only what is beyond that counts.
        sessions = None if own is None or sessions is None else max(0, sessions - own.cursors_peak)
        return ServiceCounts(
            counters={"cursors": cursors, "sessions": sessions, "connections": connections, "requests": reads},
            peaks={} if own is None else {"cursors": own.cursors_peak},
            routes={name: count for name, count in (("read", reads), ("write", writes)) if count != 0},
            connections=(connections, None if own is None else own.connections_open),
        )

    async def stop(self) -> None:
        """Drop the run's database; end the embedded server."""
        await self._run(self._database.drop)
        if self._service is not None:
            await self._service.stop()
