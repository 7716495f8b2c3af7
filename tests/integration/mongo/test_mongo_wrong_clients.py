"""Clients of the embedded MongoDB server that are wrong, slow or gone, and garbage."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from leaklab.services.mongo.arguments import TAKEN
from tests.integration.mongo.raw import answer, ask, connect, framed, is_closed, receive, request
from tests.integration.mongo.servers import Document, Server, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def healthy(server: Server) -> Iterator[None]:
    """Another client that works before, meanwhile and after, and finds its own data as it left it."""
    with MongoClient[Document](server.uri) as client:
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
        struct.pack("<iiii", 15, 1, 0, 2013),
        struct.pack("<iiii", -1, 1, 0, 2013),
        struct.pack("<iiii", 48_000_001, 1, 0, 2013),
        struct.pack("<iiii", 0, 0, 0, 0),
        framed(b"x" * 20, 2012),
        framed(b"x" * 20, 2001),
        framed(b"x" * 20, 99),
        framed(b""),
        framed(struct.pack("<I", 4) + b"\0" + bson.encode({"ping": 1})),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=[
        "short",
        "negative",
        "oversized",
        "zeros",
        "compressed",
        "update",
        "opcode",
        "empty",
        "flags",
        "http",
    ],
)
def test_a_broken_frame_closes_that_connection_alone(embedded: Server, data: bytes) -> None:
    with healthy(embedded), connect(embedded.port) as broken:
        assert ask(broken, {"ping": 1, "$db": "a"})["ok"] == 1.0
        broken.sendall(data)
        assert is_closed(broken)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\0\0\0\0", 40587),
        (b"\0\0\0\0\0" + b"\xff" * 30, 22),
        (b"\0\0\0\0\0" + bson.encode({"ping": 1})[:-3], 22),
        (b"\0\0\0\0\x07" + bson.encode({"ping": 1}), 40432),
        (b"\0\0\0\0\0" + bson.encode({"ping": 1}), 40571),
        (b"\0\0\0\0\0" + bson.encode({"ping": 1, "$db": 5}), 14),
        (b"\0\0\0\0\0" + bson.encode({"ping": 1, "$db": "a b"}), 73),
        (b"\0\0\0\0\0" + bson.encode({"$db": "a"}), 238),
        (b"\0\0\0\0\0" + bson.encode({"insert": "c", "documents": 5, "$db": "a"}), 14),
        (b"\0\0\0\0\0" + bson.encode({"insert": "c", "documents": [5], "$db": "a"}), 14),
        (b"\0\0\0\0\0" + bson.encode({}), 238),
    ],
)
def test_a_wrong_message_is_answered_and_the_connection_goes_on(embedded: Server, payload: bytes, code: int) -> None:
    with healthy(embedded), connect(embedded.port) as connection:
        connection.sendall(framed(payload))
        reply = answer(connection)
        assert (reply["ok"], reply["code"]) == (0.0, code)
        assert ask(connection, {"ping": 1, "$db": "a"})["ok"] == 1.0


def test_a_legacy_handshake_is_answered_in_kind(embedded: Server) -> None:
    def query(document: Document) -> bytes:
        return framed(b"\0\0\0\0admin.$cmd\0" + struct.pack("<ii", 0, -1) + bson.encode(document), 2004)

    with connect(embedded.port) as connection:
        for document, ok in (({"isMaster": 1, "helloOk": True}, 1.0), ({"find": "c"}, 0.0)):
            connection.sendall(query(document))
            head = receive(connection, 16)
            length, _, response_to, opcode = struct.unpack("<iiii", head)
            assert (response_to, opcode) == (9, 1)
            reply = bson.decode(receive(connection, length - 16)[20:])
            assert reply["ok"] == ok
            assert ("helloOk" in reply) == bool(ok)


def test_truncated_messages_and_sudden_ends_harm_nobody(embedded: Server) -> None:
    whole = request({"ping": 1, "$db": "a"})
    with healthy(embedded):
        for length in range(len(whole)):
            with connect(embedded.port) as connection:
                connection.sendall(whole[:length])
                if length % 2:
                    connection.shutdown(socket.SHUT_WR)
                    assert is_closed(connection)


def test_a_message_in_single_bytes_and_many_in_one_write(embedded: Server) -> None:
    whole = request({"ping": 1, "$db": "a"})
    with connect(embedded.port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(whole)):
            connection.sendall(whole[i : i + 1])
        assert answer(connection)["ok"] == 1.0
        connection.sendall(whole * 500)
        assert all(answer(connection)["ok"] == 1.0 for _ in range(500))


def test_a_client_that_does_not_read_is_not_served_on(embedded: Server) -> None:
    """Its replies must not pile up in the server; it gets them all once it reads."""
    with healthy(embedded), MongoClient[Document](embedded.uri) as client, connect(embedded.port) as slow:
        client.slow.c.insert_one({"_id": 1, "data": b"x" * 1_000_000})
        find = request({"find": "c", "$db": "slow"})

        def served() -> int:
            return int(client.admin.command("serverStatus")["network"]["numRequests"])

        before = served()
        slow.sendall(find * 100)
        for polls in range(1, 50):
            assert served() - before < 50 + 3 * polls
        for _ in range(100):
            assert len(answer(slow)["cursor"]["firstBatch"][0]["data"]) == 1_000_000
        client.drop_database("slow")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "a.b", "_id", "$and", "$or", "$in", "$gt", "$not", "$elemMatch", "$set", "$inc"])
            | st.sampled_from(["$sum", "$match", "$group", "$project", "$expr", "$regex", "$ref", "$size", "q", "u"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
COMMANDS = [
    "find", "aggregate", "insert", "update", "delete", "findAndModify", "count", "distinct", "getMore", "killCursors",
    "create", "createIndexes", "listIndexes", "dropIndexes", "drop", "dropDatabase", "listCollections",
    "listDatabases", "endSessions", "killSessions", "hello", "serverStatus",
]  # fmt: skip


def fields_of(command: str) -> st.SearchStrategy[Document]:
    own = [*TAKEN.get(command, "").split(), "$db", "lsid", "maxTimeMS", "unknown"]
    return st.dictionaries(
        st.sampled_from(own), VALUES | st.lists(st.dictionaries(st.sampled_from("qu"), VALUES)), max_size=5
    )


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


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"find": "numbers", "batchSize": -1}, 2),
        ({"find": "numbers", "skip": -1}, 2),
        ({"find": "numbers", "batchSize": "x"}, 14),
        ({"find": "numbers", "filter": 3}, 14),
        ({"find": "numbers", "sort": {"n": 5}}, 15975),
        ({"find": "numbers", "projection": {"a": 1, "b": 0}}, 31254),
        ({"find": "numbers", "filter": {"$and": []}}, 2),
        ({"find": "numbers", "filter": {"n": {"$in": 1}}}, 2),
        ({"find": "numbers", "awaitData": True}, 9),
        ({"find": ""}, 73),
        ({"getMore": bson.Int64(99), "collection": "numbers"}, 43),
        ({"getMore": "x", "collection": "numbers"}, 14),
        ({"killCursors": "numbers"}, 40414),
        ({"killCursors": "numbers", "cursors": 5}, 14),
        ({"aggregate": "numbers", "pipeline": [{}], "cursor": {}}, 40323),
        ({"aggregate": "numbers", "pipeline": [{"$limit": 0}], "cursor": {}}, 15958),
        ({"aggregate": "numbers", "pipeline": []}, 9),
        ({"create": "log", "capped": True}, 72),
        ({"insert": "numbers"}, 40414),
        ({"insert": "numbers", "documents": []}, 16),
        ({"drop": "absent"}, 26),
    ],
    ids=str,
)
def test_a_wrong_command_gets_the_code_of_mongodb(embedded: Server, command: Document, code: int) -> None:
    with connect(embedded.port) as connection:
        assert ask(connection, {**command, "$db": "wrong"})["code"] == code
        assert (
            "_id"
            in ask(connection, {"insert": "c", "documents": [{"_id": [1]}], "$db": "wrong"})["writeErrors"][0]["errmsg"]
        )


def test_many_clients_at_once(embedded: Server) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with MongoClient[Document](embedded.uri) as client:
                collection = client[f"many{number}"].c
                collection.insert_many([{"_id": i} for i in range(200)])
                for _ in range(5):
                    assert len(list(collection.find(batch_size=20))) == 200
                client.drop_database(f"many{number}")
        except (AssertionError, PyMongoError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
