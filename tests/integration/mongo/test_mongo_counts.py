"""What the embedded MongoDB server says of itself, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import bson
import psutil
import pytest

from leaklab.services.mongo.command_server import MongoCounts
from leaklab.services.mongo.server import MongoService
from tests.integration.mongo.raw import answer, ask, connect, is_closed, request
from tests.integration.mongo.servers import Document, eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    Counts = Callable[[], MongoCounts]

NINE = {"insert": "c", "documents": [{"_id": i} for i in range(9)], "$db": "a"}
FIND = {"find": "c", "batchSize": 1, "$db": "a"}
STATUS = {"serverStatus": 1, "$db": "a"}
TAIL = {"find": "c", "tailable": True, "awaitData": True, "$db": "a"}


def serve(use: Callable[[int, Counts], None], **options: Any) -> MongoCounts:
    """Run `use(port, counts)` in a thread against a service in this process; returns its last counts."""

    async def main() -> MongoCounts:
        service = MongoService(**options)
        port = await service.start()
        try:
            await asyncio.to_thread(use, port, service.counts)
        finally:
            await service.stop()
            await service.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return service.counts()

    return asyncio.run(main())


def tail(connection: socket.socket) -> Document:
    """Open a tailable cursor on a new capped collection, read what is there, return a getMore that waits for long."""
    ask(connection, {"create": "c", "capped": True, "size": 4096, "$db": "a"})
    ask(connection, {"insert": "c", "documents": [{"_id": 1}], "$db": "a"})
    return {"getMore": ask(connection, TAIL)["cursor"]["id"], "collection": "c", "maxTimeMS": 999_999, "$db": "a"}


def pinned(connection: socket.socket) -> int:
    return int(ask(connection, STATUS)["metrics"]["cursor"]["open"]["pinned"])


def test_the_counts_are_exact() -> None:
    def use(port: int, counts: Counts) -> None:
        assert counts() == MongoCounts(0, 0, 0, 0, 0, 0, 0)
        with connect(port) as one, connect(port) as two:
            for connection in (one, two, one):
                assert ask(connection, {"ping": 1, "$db": "a"})["ok"] == 1.0
            for command in (NINE, FIND, FIND, FIND, FIND):
                ask(one, command)
            assert counts() == MongoCounts(2, 2, 2, 8, 4, 4, 0)
            two.shutdown(socket.SHUT_WR)  # half-closed is closed
            assert is_closed(two)
            assert counts().connections_open == 1
        eventually(lambda: counts().connections_open == 0)
        with connect(port) as three:
            status = ask(three, STATUS)
            assert status["connections"] == {"current": 1, "totalCreated": 3}
            assert status["metrics"]["cursor"]["open"]["total"] == 4
        eventually(lambda: counts() == MongoCounts(3, 0, 2, 9, 4, 4, 0))

    assert serve(use) == MongoCounts(3, 0, 2, 9, 0, 4, 0)


def test_operations_are_counted_by_their_kind() -> None:
    """Manual, "serverStatus", opcounters: writes by statement, finds as queries, the rest as commands."""

    def use(port: int, _: Counts) -> None:
        with connect(port) as connection:
            ask(connection, NINE)
            ask(connection, {"delete": "c", "deletes": [{"q": {"_id": 0}, "limit": 1}] * 2, "$db": "a"})
            ask(connection, {"getMore": ask(connection, FIND)["cursor"]["id"], "collection": "c", "$db": "a"})
            ask(connection, {"update": "c", "updates": 5, "$db": "a"})
            ask(connection, {"count": "c", "$db": "a"})
            status = ask(connection, STATUS)
            kinds = {"insert": 9, "query": 1, "update": 1, "delete": 2, "getmore": 1, "command": 2}
            assert status["opcounters"] == kinds
            names = {"insert", "delete", "find", "getMore", "update", "count", "serverStatus"}
            assert status["metrics"]["commands"] == {name: {"total": 1} for name in names}

    serve(use)


def test_open_sessions_are_counted() -> None:
    """A session opens with its first use; ending it leaves its cursors."""

    def use(port: int, counts: Counts) -> None:
        one, two = ({"id": bson.Binary(bytes([n]) * 16, 4)} for n in (1, 2))
        with connect(port) as connection:

            def run(**command: Any) -> int:
                assert ask(connection, {**command, "$db": "a"})["ok"] == 1.0
                return counts().sessions_open

            assert run(**NINE) == 0
            assert [run(**FIND, lsid=one) for _ in range(2)] == [1, 1]
            assert run(**FIND, lsid=two) == 2
            assert ask(connection, STATUS)["logicalSessionRecordCache"] == {"activeSessionsCount": 2}
            assert (run(endSessions=[one]), counts().cursors_open) == (1, 3)

    serve(use)


def test_cursors_share_one_encoded_result() -> None:
    """Two thousand cursors over a megabyte of documents take the memory of their positions."""

    def use(port: int, counts: Counts) -> None:
        with connect(port) as connection:
            documents = [{"_id": i, "data": b"x" * 1000} for i in range(1000)]
            ask(connection, {"insert": "c", "documents": documents, "$db": "a"})
            ask(connection, {**FIND, "sort": {"_id": -1}})
            before = psutil.Process().memory_info().rss
            for _ in range(2000):
                ask(connection, {**FIND, "sort": {"_id": -1}})
            assert counts().cursors_open == 2001
            assert psutil.Process().memory_info().rss - before < 20_000_000

    serve(use)


def test_idle_cursors_time_out_unless_they_must_not() -> None:
    def use(port: int, counts: Counts) -> None:
        with connect(port) as connection:
            ask(connection, NINE)
            for no_timeout in (False, True, False):
                assert ask(connection, {**FIND, "noCursorTimeout": no_timeout})["cursor"]["id"]
            eventually(lambda: counts().cursors_open == 1)
            cursors = ask(connection, STATUS)["metrics"]["cursor"]
            assert (cursors["timedOut"], cursors["open"]) == (2, {"noTimeout": 1, "pinned": 0, "total": 1})

    serve(use, cursor_timeout_s=0.05)


def test_stopping_ends_clients_that_wait_and_those_that_idle() -> None:
    async def main() -> None:
        service = MongoService()
        port = await service.start()
        with pytest.raises(RuntimeError, match="started before"):
            await service.start()
        idle, waiting = await asyncio.to_thread(connect, port), await asyncio.to_thread(connect, port)
        with idle, waiting:
            await asyncio.to_thread(lambda: waiting.sendall(request(tail(waiting))))
            while not service.cursors.pinned:
                await asyncio.sleep(0.001)
            await service.stop()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert (service.counts().connections_open, service.counts().cursors_open) == (0, 0)
            assert await asyncio.to_thread(is_closed, idle)
            assert await asyncio.to_thread(is_closed, waiting)
        with pytest.raises(ConnectionRefusedError):
            connect(port)

    asyncio.run(main())


def test_a_wait_ends_when_its_client_goes_and_when_its_cursor_is_killed() -> None:
    """The cursor of a client that has gone stays usable."""

    def use(port: int, counts: Counts) -> None:
        with connect(port) as keeper:
            with connect(port) as gone:
                more = tail(gone)
                gone.sendall(request(more))
                eventually(lambda: pinned(keeper) == 1)
                assert ask(keeper, more)["code"] == 12051
            eventually(lambda: pinned(keeper) == 0)
            ask(keeper, {"insert": "c", "documents": [{"_id": 2}], "$db": "a"})
            assert ask(keeper, more)["cursor"]["nextBatch"] == [{"_id": 2}]
            with connect(port) as waiting:
                waiting.sendall(request(more))
                eventually(lambda: pinned(keeper) == 1)
                killed = ask(keeper, {"killCursors": "c", "cursors": [more["getMore"]], "$db": "a"})
                assert killed["cursorsKilled"] == [more["getMore"]]
                assert (answer(waiting)["code"], counts().cursors_open) == (237, 0)

    serve(use)
