"""Clients of the embedded MongoDB server that are wrong, slow or gone, and garbage."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaklab.services.mongo.arguments import TAKEN
from tests.integration.mongo.raw import answer, ask, connect, framed, is_closed, receive, request
from tests.integration.mongo.servers import Client, Document, Server, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

PING = request({"ping": 1, "$db": "a"})


@contextlib.contextmanager
def healthy(server: Server) -> Iterator[None]:
    """Another client that works before, meanwhile and after, and finds its own data as it left it."""
    with Client(server.uri) as client:
        collection = client[f"healthy{next(numbers)}"].c
        collection.insert_many([{"_id": i} for i in range(50)])
        with collection.find(batch_size=5) as cursor:
            assert next(cursor)["_id"] == 0
            yield
            assert [d["_id"] for d in cursor] == list(range(1, 50))
        client.drop_database(collection.database.name)


@pytest.mark.parametrize(
    "data",
    [
        *(struct.pack("<iiii", length, 1, 0, 2013) for length in (15, -1, 48_000_001)),
        struct.pack("<iiii", 0, 0, 0, 0),
        *(framed(b"x" * 20, opcode) for opcode in (2012, 2001, 99)),
        framed(b""),
        framed(struct.pack("<I", 4) + b"\0" + bson.encode({"ping": 1})),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["short", "negative", "oversized", "zeros", "compressed", "update", "opcode", "empty", "flags", "http"],
)
def test_a_broken_frame_closes_that_connection_alone(embedded: Server, data: bytes) -> None:
    with healthy(embedded), connect(embedded.port) as broken:
        assert ask(broken, {"ping": 1, "$db": "a"})["ok"] == 1.0
        broken.sendall(data)
        assert is_closed(broken)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({}, 238),
        ({"ping": 1, "$db": None}, 73),
        ({"ping": 1, "$db": "a b"}, 73),
        ({"insert": "c", "documents": [5]}, 14),
        ({"insert": "c", "documents": []}, 16),
        ({"find": "c", "batchSize": -1}, 2),
        ({"find": "c", "batchSize": "x"}, 14),
        ({"find": "c", "filter": 3}, 14),
        ({"distinct": "c", "key": "a", "query": {"$and": []}}, 2),
        ({"find": "c", "awaitData": True}, 9),
        ({"find": "c", "startTransaction": True}, 20),
        ({"find": ""}, 73),
        ({"getMore": bson.Int64(99), "collection": "c"}, 43),
        ({"killCursors": "c", "cursors": 5}, 238),
        ({"create": "log", "capped": True}, 72),
        ({"delete": "c", "deletes": [{"limit": 0}]}, 14),
        ({"drop": "absent"}, 26),
    ],
    ids=lambda value: value if isinstance(value, int) else "",
)
def test_a_wrong_command_is_answered_and_the_connection_goes_on(embedded: Server, command: Document, code: int) -> None:
    with healthy(embedded), connect(embedded.port) as connection:
        reply = ask(connection, command | {"$db": command.get("$db", "a")})
        assert reply.get("code", reply.get("writeErrors", [{}])[0].get("code")) == code
        connection.sendall(framed(b"\0\0\0\0\x07"))
        assert answer(connection)["code"] == 40432
        assert ask(connection, {"ping": 1, "$db": "a"})["ok"] == 1.0


def test_a_legacy_handshake_is_answered_in_kind(embedded: Server) -> None:
    with connect(embedded.port) as connection:
        for document, ok in (({"isMaster": 1, "helloOk": True}, 1.0), ({"find": "c"}, 0.0)):
            body = b"\0\0\0\0admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode(document)
            connection.sendall(framed(body, 2004))
            length, _, response_to, opcode = struct.unpack("<iiii", receive(connection, 16))
            assert (response_to, opcode) == (9, 1)
            reply = bson.decode(receive(connection, length - 16)[20:])
            assert (reply["ok"], "helloOk" in reply, "setName" in reply) == (ok, bool(ok), False)


def test_messages_in_pieces_and_in_heaps_and_sudden_ends(embedded: Server) -> None:
    with healthy(embedded), connect(embedded.port) as connection:
        for length in range(len(PING)):
            connection.sendall(PING[length : length + 1])
            with connect(embedded.port) as gone:
                gone.sendall(PING[:length])
                if length % 2:
                    gone.shutdown(socket.SHUT_WR)
                    assert is_closed(gone)
        assert answer(connection)["ok"] == 1.0
        connection.sendall(PING * 500)
        assert all(answer(connection)["ok"] == 1.0 for _ in range(500))


def test_a_client_that_does_not_read_is_not_served_on(embedded: Server) -> None:
    """Its replies must not pile up in the server; it gets them all once it reads."""
    with healthy(embedded), Client(embedded.uri) as client, connect(embedded.port) as slow:
        client.slow.c.insert_one({"_id": 1, "data": b"x" * 1_000_000})

        def served() -> int:
            return int(client.admin.command("serverStatus")["network"]["numRequests"])

        before = served()
        slow.sendall(request({"find": "c", "$db": "slow"}) * 100)
        for polls in range(1, 50):
            assert served() - before < 50 + 3 * polls
        for _ in range(100):
            assert len(answer(slow)["cursor"]["firstBatch"][0]["data"]) == 1_000_000
        client.drop_database("slow")


NAMES = [
    *("a", "a.b", "_id", "q", "u", "id", "$and", "$or", "$in", "$gt", "$not", "$elemMatch", "$set", "$inc", "$sum"),
    *("$match", "$group", "$project", "$expr", "$regex", "$ref", "$size", "$push", "$pull"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
COMMANDS = sorted(TAKEN.keys() - {"updates", "deletes"} | {"endSessions", "hello", "ping"})


def fields_of(command: str) -> st.SearchStrategy[Document]:
    own = [*TAKEN.get(command, "").split(), "$db", "lsid", "maxTimeMS", "unknown"]
    statements = st.lists(st.dictionaries(st.sampled_from("qu"), VALUES))
    return st.dictionaries(st.sampled_from(own), VALUES | statements, max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(COMMANDS).flatmap(lambda name: st.tuples(st.just(name), fields_of(name))), st.just("c") | VALUES)
def test_no_command_breaks_the_connection_whatever_its_fields(
    embedded: Server, command: tuple[str, Document], value: object
) -> None:
    name, fields = command
    with connect(embedded.port) as connection:
        reply = ask(connection, {name: value, "$db": "fuzz", **fields})
        assert reply["ok"] == 1.0 or isinstance(reply["code"], int)
        assert "Traceback" not in str(reply)
        assert ask(connection, {"ping": 1, "$db": "a"})["ok"] == 1.0


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200), st.sampled_from([2013, 2004, None]))
def test_garbage_is_answered_or_closes_its_connection(embedded: Server, data: bytes, opcode: int | None) -> None:
    with connect(embedded.port) as connection:
        connection.sendall(data if opcode is None else framed(data, opcode))
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):
                pass
    with connect(embedded.port) as connection:
        assert ask(connection, {"ping": 1, "$db": "a"})["ok"] == 1.0
