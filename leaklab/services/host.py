"""The process that owns the services of a run, and ends the measured processes if the runner is gone.

It answers lines of JSON on one socket. When that socket closes, whoever closed it and however, every process group it
guards is killed, every service stopped and the run's databases dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from leaklab.errors import ExitCode, LeaklabError
from leaklab.system.machine import raise_descriptor_limit
from leaklab.system.processes import end_family

if TYPE_CHECKING:
    from leaklab.services.database import Database
    from leaklab.services.http import HttpService
    from leaklab.services.mongo.server import MongoService

Counts = dict[str, Any]


class Running(Protocol):
    """A service that was started for one half."""

    async def counts(self) -> Counts:
        """Its exact counts now."""
        ...

    async def stop(self) -> None:
        """End it; afterwards nothing of it is left."""
        ...


class RunningHttp:
    """The HTTP service of one half."""

    def __init__(self, service: HttpService) -> None:
        self._service = service

    async def counts(self) -> Counts:
        """Connections and requests, and the most connections that were open at once."""
        counts = self._service.counts()
        return {
            "connections_opened": counts.connections_accepted,
            "connections_open": counts.connections_open,
            "still_open": counts.connections_open,
            "answers_due": counts.answers_due,
            "requests_served": counts.requests_served,
            "peaks": {"open_sockets": counts.connections_peak},
            "routes": dict(counts.requests_by_route),
        }

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        await self._service.stop()


class RunningMongo:
    """The MongoDB server of one half, with the lab's client to it."""

    def __init__(self, database: Database, service: MongoService | None, blocking: ThreadPoolExecutor) -> None:
        self._database = database
        self._service = service
        self._blocking = blocking

    async def counts(self) -> Counts:
        """What `serverStatus` says; the exact peak of open cursors where the server is the embedded one."""
        loop = asyncio.get_running_loop()
        reading = await loop.run_in_executor(self._blocking, self._database.read)
        own = None if self._service is None else self._service.counts()
        peaks = {} if own is None else {"open_cursors": own.cursors_peak}
        return {
            "open_cursors": reading.cursors_open,
            "connections_opened": reading.connections_created,
            "connections_open": None if own is None else own.connections_open,
            "requests_served": reading.reads,
            "peaks": peaks,
            "routes": {name: count for name, count in (("read", reading.reads), ("write", reading.writes)) if count},
        }

    async def stop(self) -> None:
        """Drop the run's database; end the embedded server."""
        await asyncio.get_running_loop().run_in_executor(self._blocking, self._database.drop)
        if self._service is not None:
            await self._service.stop()


class Host:
    """Starts services, reads their counts, guards process groups, and leaves nothing behind."""

    def __init__(self) -> None:
        self._running: dict[int, Running] = {}
        self._guarded: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._blocking = ThreadPoolExecutor(max_workers=4)

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Do what one message asks."""
        handlers: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "start": self._start,
            "counts": self._counts,
            "stop": self._stop,
        }
        try:
            return await handlers[message["do"]](message)
        except LeaklabError as error:
            return {"error": str(error), "exit_code": int(error.exit_code)}
        except Exception as error:  # noqa: BLE001 # the runner tells, and ends this process in good order
            words = f"a service failed: {type(error).__name__}: {error}"
            return {"error": words, "exit_code": int(ExitCode.COULD_NOT_MEASURE)}

    def guard(self, group: int, mark: str | None) -> None:
        """Kill the processes of a half should the runner be gone; or no longer (no mark), because they have ended."""
        if mark is None:
            self._guarded.pop(group, None)
        else:
            self._guarded[group] = mark

    async def close(self) -> None:
        """Kill what is guarded, stop what runs."""
        for group, mark in self._guarded.items():
            end_family(group, mark)
        for service in self._running.values():
            await service.stop()
        self._running.clear()
        self._blocking.shutdown(wait=True)

    async def _start(self, message: dict[str, Any]) -> dict[str, Any]:
        start = {"http": self._start_http, "mongo": self._start_mongo}[message["service"]]
        service, about = await start(message)
        # Services are told apart by a number: two halves can each have one of a kind.
        number = next(self._numbers)
        self._running[number] = service
        return {"service": number, **about}

    async def _start_http(self, _: dict[str, Any]) -> tuple[Running, dict[str, Any]]:
        from leaklab.services.http import HttpService

        service = HttpService(secret=secrets.token_hex(8))
        port = await service.start()
        return RunningHttp(service), {"ports": [port], "secret": service.secret}

    async def _start_mongo(self, message: dict[str, Any]) -> tuple[Running, dict[str, Any]]:
        from leaklab.content.declaration import Documents
        from leaklab.services.database import Database

        uri: str | None = message["uri"]
        service: MongoService | None = None
        if uri is None:
            from leaklab.services.mongo.server import MongoService

            service = MongoService()
            uri = f"mongodb://127.0.0.1:{await service.start()}"
        loop = asyncio.get_running_loop()
        try:
            database = await loop.run_in_executor(self._blocking, Database, uri)
        except LeaklabError:
            if service is not None:
                await service.stop()
            raise
        running = RunningMongo(database, service, self._blocking)
        try:
            documents = [Documents(**entry) for entry in message["documents"]]
            await loop.run_in_executor(self._blocking, database.seed, documents)
        except LeaklabError:
            await running.stop()
            raise
        server = f"embedded, mongomock behind MongoDB's wire protocol, as {database.version}"
        about = {
            "ports": database.ports,
            "uri": uri,
            "database": database.name,
            "server": server if service is not None else f"server {database.version}",
        }
        return running, about

    async def _counts(self, message: dict[str, Any]) -> dict[str, Any]:
        # What the half did before it paused has reached the sockets already; a few turns of the loop read it all,
        # so that a connection that was closed before this question is not counted as open.
        for _ in range(3):
            await asyncio.sleep(0)
        return {"counts": [await self._running[number].counts() for number in message["services"]]}

    async def _stop(self, message: dict[str, Any]) -> dict[str, Any]:
        for number in message["services"]:
            await self._running.pop(number).stop()
        return {}


async def serve(channel: socket.socket) -> None:
    """Answer messages on `channel` until it closes, then leave nothing behind."""
    reader, writer = await asyncio.open_connection(sock=channel, limit=2**24)
    host = Host()
    try:
        while line := await reader.readline():
            message = json.loads(line)
            if message["do"] == "guard":
                # Needs no answer: the runner does not wait for this process to be up before it starts the next.
                host.guard(message["group"], message["mark"])
                continue
            writer.write(json.dumps(await host.answer(message)).encode() + b"\n")
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        await host.close()
        writer.close()


def main() -> None:
    """Run the host on the socket whose descriptor is the argument."""
    raise_descriptor_limit()
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1]))))
    # All is stopped and dropped. What the interpreter would still wait for are pymongo's own threads, asleep for up to
    # half a second each.
    os._exit(0)


if __name__ == "__main__":
    main()
