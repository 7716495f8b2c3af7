"""The embedded MongoDB server under unmodified pymongo, beside SecantusDB as an independent peer.

Each server is a process of its own. What both are asked is written once; where SecantusDB deviates from what
MongoDB documents, the case says so and names the source. What only the embedded server offers (its counts,
its robustness against garbage) is tested on it alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import ASCENDING, DESCENDING, CursorType, InsertOne, MongoClient, ReturnDocument, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    CollectionInvalid,
    CursorNotFound,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from leaklab.services.database import READS
from leaklab.services.mongo import wire
from leaklab.services.mongo.names import FIELDS
from leaklab.services.mongo.server import MongoCounts, MongoService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

Document = dict[str, Any]

PATIENCE_S = 20.0  # how long something is waited for before it is said not to happen
_EMBEDDED = """
import asyncio
from leaklab.services.mongo.server import MongoService

async def main():
    print("listening on 127.0.0.1:%d" % await MongoService().start(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
_COMMANDS = {
    "embedded": [sys.executable, "-c", _EMBEDDED],
    "secantus": [
        sys.executable, "-m", "secantus", "--port", "0", "--storage-path", ":memory:", "--standalone",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Server:
    name: str
    port: int

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"


@contextlib.contextmanager
def running(name: str) -> Iterator[Server]:
    process = subprocess.Popen(_COMMANDS[name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                break
        else:
            pytest.fail(f"{name} did not start: {''.join(said)}")
        # What it says later must be read, or a full pipe would stop it.
        reader = threading.Thread(target=lambda: said.extend(process.stdout or ()))
        reader.start()
        yield Server(name, int(found[1]))
        if name == "embedded":
            assert process.poll() is None, "the server died"
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()
    if name == "embedded":
        assert said == [line for line in said if line.startswith("listening")], "it printed something"


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
def client(server: Server) -> Iterator[MongoClient[Document]]:
    with MongoClient[Document](server.uri) as connected:
        # Where SecantusDB deviates it may have kept cursors: each case counts from its own start.
        _open_before[server.port] = 0
        _open_before[server.port] = cursors_open(connected)
        yield connected


_numbers = itertools.count()
_open_before: dict[int, int] = {}


@pytest.fixture
def db(client: MongoClient[Document]) -> Iterator[Database[Document]]:
    name = f"lab{next(_numbers)}"
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def thousand(db: Database[Document]) -> Collection[Document]:
    db.numbers.insert_many([{"_id": i, "n": i % 10, "text": f"number {i}"} for i in range(1000)])
    return db.numbers


@pytest.fixture
def capped(db: Database[Document]) -> Collection[Document]:
    collection = db.create_collection("log", capped=True, size=100_000, max=100)
    collection.insert_many([{"_id": i} for i in range(3)])
    return collection


def cursors_open(client: MongoClient[Document]) -> int:
    total: int = client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
    _, port = client.address or ("", 0)
    return total - _open_before[port]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, at most PATIENCE_S seconds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def error_of(call: Callable[[], object]) -> OperationFailure:
    with pytest.raises(OperationFailure) as caught:
        call()
    return caught.value


# ---- open cursors, the leak


def test_a_cursor_stays_open_on_the_server_until_it_is_closed(
    client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    cursors = [thousand.find(batch_size=10) for _ in range(20)]
    assert cursors_open(client) == 0
    for cursor in cursors:
        next(cursor)
    assert cursors_open(client) == 20
    for closed, cursor in enumerate(cursors, 1):
        cursor.close()
        assert cursors_open(client) == 20 - closed


def test_a_cursor_read_to_its_end_is_closed_by_the_server(
    client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    for _ in range(20):
        assert [d["_id"] for d in thousand.find(batch_size=10)] == list(range(1000))
    assert cursors_open(client) == 0


def test_a_dropped_reference_is_closed_by_pymongos_background_thread(
    client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    cursors = [thousand.find(batch_size=10) for _ in range(20)]
    for cursor in cursors:
        next(cursor)
    assert cursors_open(client) == 20
    del cursor, cursors
    eventually(lambda: cursors_open(client) == 0)


def test_aggregations_hold_cursors_too(client: MongoClient[Document], thousand: Collection[Document]) -> None:
    cursor = thousand.aggregate([{"$match": {"n": 3}}], batchSize=10)
    assert next(cursor)["_id"] == 3
    assert cursors_open(client) == 1
    assert [d["_id"] for d in cursor] == list(range(13, 1000, 10))
    assert cursors_open(client) == 0


def test_a_cursor_outlives_the_client_that_opened_it(
    server: Server, client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    """MongoDB manual, "Iterate a Cursor": it closes when it is exhausted, idle for 10 minutes, or closed."""
    name = thousand.database.name
    with connect(server.port) as opening:
        cursor_id = ask(opening, {"find": thousand.name, "batchSize": 10, "$db": name})["cursor"]["id"]
    with connect(server.port) as other:
        get_more = {"getMore": bson.Int64(cursor_id), "collection": thousand.name, "batchSize": 1, "$db": name}
        assert ask(other, get_more)["cursor"]["nextBatch"] == [{"_id": 10, "n": 0, "text": "number 10"}]
    thousand.database.command("killCursors", thousand.name, cursors=[cursor_id])
    assert cursors_open(client) == 0


def test_no_cursor_timeout_is_counted(
    server: Server, client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    """Manual, "serverStatus", metrics.cursor.open.noTimeout; SecantusDB always says 0."""
    with thousand.find(batch_size=10, no_cursor_timeout=True) as cursor:
        next(cursor)
        counted = client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["noTimeout"]
        assert counted == (1 if server.name == "embedded" else 0)
        assert cursors_open(client) == 1
    assert cursors_open(client) == 0


# ---- find's options


@pytest.mark.parametrize(
    ("batch_size", "limit", "single", "returned", "stays_open"),
    [
        (None, 0, False, 101, True),
        (0, 0, False, 0, True),
        (1, 0, False, 1, True),
        (999, 0, False, 999, True),
        (1001, 0, False, 1000, False),
        (10, 10, False, 10, False),
        (10, 20, False, 10, True),
        (None, 101, False, 101, False),
        (10, 5, True, 5, False),
    ],
)
def test_a_first_batch_and_whether_its_cursor_stays(
    thousand: Collection[Document],
    *,
    batch_size: int | None,
    limit: int,
    single: bool,
    returned: int,
    stays_open: bool,
) -> None:
    find: Document = {"find": thousand.name, "limit": limit, "singleBatch": single}
    if batch_size is not None:
        find["batchSize"] = batch_size
    database = thousand.database
    reply = database.command(find)["cursor"]
    assert len(reply["firstBatch"]) == returned
    assert (reply["id"] != 0) == stays_open
    assert reply["ns"] == f"{database.name}.{thousand.name}"
    if reply["id"]:
        database.command("killCursors", thousand.name, cursors=[reply["id"]])


def test_a_single_batch_leaves_no_cursor(
    server: Server, client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    """Manual, "find": singleBatch closes the cursor; SecantusDB then ignores batchSize."""
    find = {"find": thousand.name, "batchSize": 10, "singleBatch": True}
    reply = thousand.database.command(find)["cursor"]
    assert (reply["id"], cursors_open(client)) == (0, 0)
    assert len(reply["firstBatch"]) == (10 if server.name == "embedded" else 1000)


def test_a_full_batch_keeps_its_cursor_although_nothing_follows(
    client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    """MongoDB finds the end of a collection scan when asked for one more (`shouldSaveCursor`, find.cpp)."""
    reply = thousand.database.command("find", thousand.name, batchSize=1000)["cursor"]
    assert (len(reply["firstBatch"]), cursors_open(client)) == (1000, 1)
    more = thousand.database.command("getMore", reply["id"], collection=thousand.name)["cursor"]
    assert (more["nextBatch"], more["id"], cursors_open(client)) == ([], 0, 0)


def test_a_sorted_result_knows_its_end(
    server: Server, client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    """A sort in memory is at its end with its last document (`isEOF`); SecantusDB keeps the cursor."""
    reply = thousand.database.command("find", thousand.name, sort={"n": 1}, batchSize=1000)["cursor"]
    assert len(reply["firstBatch"]) == 1000
    if server.name == "embedded":
        assert (reply["id"], cursors_open(client)) == (0, 0)


def test_find_options_of_the_driver(server: Server, thousand: Collection[Document]) -> None:
    def ids(**options: Any) -> list[int]:
        return [d["_id"] for d in thousand.find(**options)]

    assert ids(filter={"n": 7}, limit=3) == [7, 17, 27]
    assert ids(filter={"n": 7}, limit=-3) == [7, 17, 27]
    assert ids(filter={"n": 7}, skip=98) == [987, 997]
    assert ids(sort=[("n", DESCENDING), ("_id", ASCENDING)], limit=2) == [9, 19]
    if server.name == "embedded":  # manual, "cursor.hint()": $natural -1 reads backwards; SecantusDB does not
        assert ids(sort=[("$natural", -1)], limit=2) == [999, 998]
    assert ids(filter={"$or": [{"_id": 5}, {"_id": {"$gt": 997}}]}) == [5, 998, 999]
    assert ids(filter={"absent": 1}) == []
    assert ids(batch_size=7, limit=50, skip=3) == list(range(3, 53))
    assert list(thousand.find({"_id": 1}, {"n": 1})) == [{"_id": 1, "n": 1}]
    assert list(thousand.find({"_id": 1}, {"_id": 0, "text": 0})) == [{"n": 1}]
    assert thousand.find_one({"_id": 1}) == {"_id": 1, "n": 1, "text": "number 1"}
    assert thousand.find_one({"_id": -1}) is None


def test_an_absent_collection_is_empty(client: MongoClient[Document], db: Database[Document]) -> None:
    assert list(db.absent.find({"a": 1}, {"b": 1})) == []
    assert list(db.absent.aggregate([{"$match": {"a": 1}}])) == []
    assert db.absent.count_documents({}) == db.absent.estimated_document_count() == 0
    assert db.absent.distinct("a") == []
    assert db.absent.delete_many({}).deleted_count == 0
    assert db.list_collection_names() == []
    assert cursors_open(client) == 0


def test_a_batch_stays_below_16_mebibytes(client: MongoClient[Document], db: Database[Document]) -> None:
    db.big.insert_many([{"_id": i, "data": b"x" * 6_000_000} for i in range(5)])
    reply = db.command("find", "big")["cursor"]
    assert [d["_id"] for d in reply["firstBatch"]] == [0, 1]
    more = db.command("getMore", reply["id"], collection="big")["cursor"]
    assert [d["_id"] for d in more["nextBatch"]] == [2, 3]
    more = db.command("getMore", reply["id"], collection="big")["cursor"]
    assert ([d["_id"] for d in more["nextBatch"]], more["id"]) == ([4], 0)
    assert cursors_open(client) == 0


def test_a_cursor_goes_on_while_documents_are_written(thousand: Collection[Document]) -> None:
    with thousand.find({}, {"_id": 1}, batch_size=10) as cursor:
        seen = [next(cursor)["_id"] for _ in range(10)]
        thousand.insert_one({"_id": 5000})
        thousand.update_one({"_id": 999}, {"$set": {"n": -1}})
        seen += [d["_id"] for d in cursor]
    # MongoDB manual, "Read Isolation": whether a document that is inserted meanwhile is seen is left open.
    assert seen[:1000] == list(range(1000))


# ---- hints


def test_a_hint_at_the_natural_order_turns_it_round(thousand: Collection[Document]) -> None:
    """Manual, "cursor.hint()", Force a Reverse Natural Scan."""
    assert [d["_id"] for d in thousand.find(hint=[("$natural", -1)], limit=2)] == [999, 998]
    assert [d["_id"] for d in thousand.find({"n": 7}, hint=[("$natural", -1)], limit=2)] == [997, 987]
    assert [d["_id"] for d in thousand.find(hint=[("$natural", 1)], limit=2)] == [0, 1]
    found = thousand.aggregate([{"$match": {"n": 7}}, {"$limit": 2}], hint={"$natural": -1})
    assert [d["_id"] for d in found] == [997, 987]


def test_a_hint_at_an_index_makes_its_order(thousand: Collection[Document]) -> None:
    thousand.create_index([("n", DESCENDING)])
    for hint in ("n_-1", [("n", DESCENDING)]):
        assert [d["n"] for d in thousand.find(hint=hint, limit=101)] == [9] * 100 + [8]
    assert thousand.count_documents({"n": 9}, hint="n_-1") == 100


def test_a_hint_has_to_name_an_index(thousand: Collection[Document]) -> None:
    """Manual, "find", hint: the operation fails if there is no such index."""
    calls: list[Callable[[], object]] = [
        lambda: list(thousand.find(hint="absent")),
        lambda: list(thousand.find(hint=[("text", ASCENDING)])),
        lambda: list(thousand.aggregate([], hint="absent")),
        lambda: thousand.database.command("count", thousand.name, hint="absent"),
    ]
    assert [error_of(call).code for call in calls] == [2] * len(calls)


def test_a_hint_that_would_leave_documents_out_is_refused(server: Server, thousand: Collection[Document]) -> None:
    if server.name == "embedded":
        thousand.create_index("rare", sparse=True)
        assert error_of(lambda: list(thousand.find(hint="rare_1"))).code == 238


# ---- projections


@pytest.mark.parametrize(
    ("projection", "found"),
    [
        ({"_id": 0, "newest": "$n"}, {"newest": 7}),
        ({"x": {"$add": ["$n", 1]}}, {"_id": 1, "x": 8}),
        ({"n": 1, "x": "text"}, {"_id": 1, "n": 7, "x": "text"}),
        ({"x": "$absent"}, {"_id": 1}),
        ({"sub": {"x": 1}}, {"_id": 1, "sub": {"x": 1}}),
        ({"sub.x": 1, "_id": 0}, {"sub": {"x": 1}}),
        ({"sub.x": 0, "a": 0, "docs": 0}, {"_id": 1, "n": 7, "sub": {"y": 2}}),
        ({"a": {"$slice": 1}, "docs": 0}, {"_id": 1, "n": 7, "a": [1], "sub": {"x": 1, "y": 2}}),
        ({"a": {"$slice": [-2, 1]}, "n": 1}, {"_id": 1, "n": 7, "a": [5]}),
        ({"a": {"$elemMatch": {"$gt": 1}}}, {"_id": 1, "a": [5]}),
        ({"docs": {"$elemMatch": {"k": 2}}}, {"_id": 1, "docs": [{"k": 2}]}),
        ({"docs.k": 1, "_id": 0}, {"docs": [{"k": 1}, {"k": 2}]}),
        ({"_id": 1}, {"_id": 1}),
        ({"_id": 0, "n": True}, {"n": 7}),
    ],
    ids=str,
)
def test_what_a_projection_returns(db: Database[Document], projection: Document, found: Document) -> None:
    """Manual, "db.collection.find()", Projection, and "$slice (projection)": alone it excludes nothing."""
    db.c.insert_one({"_id": 1, "n": 7, "a": [1, 5, 9], "sub": {"x": 1, "y": 2}, "docs": [{"k": 1}, {"k": 2}]})
    assert db.c.find_one({}, projection) == found


@pytest.mark.parametrize(
    ("projection", "code"),
    [
        ({"a": 1, "b": 0}, 31254),
        ({"a": 0, "b": 1}, 31253),
        ({"a": 0, "b": "$c"}, 31252),
        ({"a": 1, "a.b": 1}, 31249),
        ({"a.b": 1, "a": 1}, 31250),
        ({"a": {}}, 51270),
        ({"$a": 1}, 16410),
        ({"a": {"$nope": 1}}, 168),
        ({"a": "$$nope"}, 17276),
        ({"a.$": 1}, 238),
        ({"a": {"$meta": "textScore"}}, 238),
        ({"a": "$$NOW"}, 238),
    ],
    ids=str,
)
def test_what_a_projection_may_not_be(embedded: Server, projection: Document, code: int) -> None:
    """It is an error on an absent collection too."""
    with MongoClient[Document](embedded.uri) as client:
        assert error_of(lambda: client.projections.c.find_one({}, projection)).code == code


# ---- $expr, and other conditions


def test_a_field_that_is_missing_is_less_than_null_in_an_expression(db: Database[Document]) -> None:
    """Manual, "Comparison/Sort Order"; what an expression makes of a missing field, for each operator."""
    db.c.insert_many([{"_id": 1, "a": 5}, {"_id": 2, "a": None}, {"_id": 3}])

    def ids(condition: object) -> list[int]:
        return [d["_id"] for d in db.c.find({"$expr": condition})]

    assert ids({"$gt": ["$a", 1]}) == [1]
    assert ids({"$lt": ["$a", 1]}) == [2, 3]
    assert ids({"$eq": ["$a", None]}) == [2]
    assert ids({"$ne": ["$a", None]}) == [1, 3]
    assert ids({"$eq": [{"$ifNull": ["$a", None]}, None]}) == [2, 3]
    assert ids("$a") == [1]
    assert ids({"$not": {"$in": ["$a", [5]]}}) == [2, 3]


def test_conditions_by_type_remainder_and_arrays(db: Database[Document]) -> None:
    db.c.insert_many([{"_id": 1, "v": [1, 5]}, {"_id": 2, "v": 3}, {"_id": 3, "v": "3"}, {"_id": 4}])

    def ids(condition: object) -> list[int]:
        return [d["_id"] for d in db.c.find({"v": condition})]

    assert ids({"$type": 16}) == ids({"$type": ["int", "long"]}) == [1, 2]
    assert ids({"$type": "string"}) == [3]
    assert ids({"$mod": [2, 1]}) == [1, 2]
    assert ids({"$in": [[1, 5]]}) == [1]
    assert ids({"$nin": [3, None]}) == [1, 3]


def test_arrays_are_sorted_by_their_least_or_greatest(db: Database[Document]) -> None:
    """Manual, "cursor.sort()", Sort by Array."""
    db.c.insert_many([{"_id": 1, "v": [5, 1]}, {"_id": 2, "v": [3]}, {"_id": 3, "v": 2}, {"_id": 4, "v": []}])
    assert [d["_id"] for d in db.c.find().sort("v", 1)] == [4, 1, 3, 2]
    assert [d["_id"] for d in db.c.find().sort("v", -1)] == [1, 2, 3, 4]
    assert [d["_id"] for d in db.c.aggregate([{"$sort": {"v": -1}}])] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"a": {"$regex": "["}}, 51091),
        ({"a": bson.Regex("[")}, 51091),
        ({"a": {"$not": bson.Regex("(")}}, 51091),
        ({"a": {"$options": "i"}}, 2),
        ({"a": {"$regex": "a", "$options": "q"}}, 51108),
        ({"a": {"$type": "nope"}}, 2),
        ({"a": {"$type": 99}}, 2),
        ({"a": {"$mod": [0, 1]}}, 2),
        ({"a": {"$size": -1}}, 2),
        ({"a": {"$in": [{"$gt": 1}]}}, 2),
        ({"a": {"$bitsAllSet": 1}}, 238),
        ({"$where": "true"}, 238),
        ({"$expr": {"$nope": 1}}, 168),
        ({"$expr": {"$eq": ["$$nope", 1]}}, 17276),
        ({"$expr": {"$gt": ["$a"]}}, 16020),
    ],
    ids=str,
)
def test_what_a_filter_may_not_be(embedded: Server, condition: Document, code: int) -> None:
    with MongoClient[Document](embedded.uri) as client:
        client.filters.c.replace_one({"_id": 1}, {"a": 1}, upsert=True)
        assert error_of(lambda: client.filters.c.find_one(condition)).code == code
        assert error_of(lambda: list(client.filters.c.aggregate([{"$match": condition}]))).code == code


# ---- getMore and killCursors


def test_a_killed_cursor_is_not_found(thousand: Collection[Document]) -> None:
    cursor = thousand.find(batch_size=10)
    next(cursor)
    cursor_id = cursor.cursor_id
    reply = thousand.database.command("killCursors", thousand.name, cursors=[cursor_id, bson.Int64(12345)])
    assert (reply["cursorsKilled"], reply["cursorsNotFound"]) == ([cursor_id], [12345])
    assert (reply["cursorsAlive"], reply["cursorsUnknown"]) == ([], [])
    with pytest.raises(CursorNotFound) as caught:
        list(cursor)
    assert (caught.value.code, (caught.value.details or {})["codeName"]) == (43, "CursorNotFound")


def test_get_more_belongs_to_its_namespace(server: Server, thousand: Collection[Document]) -> None:
    """MongoDB answers Unauthorized (run_getmore in getmore_cmd.cpp); SecantusDB CursorNotFound."""
    cursor_id = thousand.database.command("find", thousand.name, batchSize=10)["cursor"]["id"]
    error = error_of(lambda: thousand.database.command("getMore", cursor_id, collection="other"))
    assert error.code == (13 if server.name == "embedded" else 43)
    more = thousand.database.command("getMore", cursor_id, collection=thousand.name)
    assert len(more["cursor"]["nextBatch"]) == 990


def test_get_more_belongs_to_the_session_of_its_cursor(embedded: Server) -> None:
    """Manual, "getMore", Sessions; SecantusDB takes any."""
    sessions = [{"id": bson.Binary(bytes([n]) * 16, 4)} for n in (1, 2)]
    with MongoClient[Document](embedded.uri) as client:
        client.sessions.c.insert_many([{"_id": i} for i in range(9)])
        with connect(embedded.port) as connection:

            def read_on(find: Document, more: Document) -> Document:
                opened = ask(connection, {"find": "c", "batchSize": 1, "$db": "sessions", **find})["cursor"]["id"]
                reply = ask(connection, {"getMore": opened, "collection": "c", "$db": "sessions", **more})
                ask(connection, {"killCursors": "c", "cursors": [opened], "$db": "sessions"})
                return reply

            one, two = ({"lsid": session} for session in sessions)
            assert read_on({}, {})["ok"] == read_on(one, one)["ok"] == 1.0
            assert read_on({}, one)["code"] == 50736
            assert read_on(one, {})["code"] == 50737
            assert read_on(one, two)["code"] == 50738
        assert client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"] == 0
        client.drop_database("sessions")


def test_a_cursor_over_a_dropped_collection_fails(
    server: Server, client: MongoClient[Document], thousand: Collection[Document]
) -> None:
    """MongoDB answers QueryPlanKilled and ends the cursor; SecantusDB reads on from its snapshot."""
    cursor = thousand.find(batch_size=10)
    next(cursor)
    thousand.drop()
    if server.name == "embedded":
        assert error_of(lambda: list(cursor)).code == 175
    cursor.close()
    assert cursors_open(client) == 0


# ---- capped collections and tailable cursors


def test_a_capped_collection_keeps_the_newest(db: Database[Document]) -> None:
    capped = db.create_collection("log", capped=True, size=100_000, max=5)
    capped.insert_many([{"_id": i} for i in range(8)])
    capped.insert_one({"_id": 8})
    assert [d["_id"] for d in capped.find()] == [4, 5, 6, 7, 8]
    assert capped.count_documents({}) == capped.estimated_document_count() == 5
    capped.insert_one({"_id": 0})
    assert [d["_id"] for d in capped.find()] == [5, 6, 7, 8, 0]
    assert capped.options() == {"capped": True, "size": 100_000, "max": 5}


def test_a_capped_collection_keeps_its_size(server: Server, db: Database[Document]) -> None:
    """Manual, "Capped Collections"; SecantusDB does not cut at 8 KiB."""
    size = 8192
    capped = db.create_collection("log", capped=True, size=size)
    capped.insert_many([{"_id": i, "data": b"x" * 1000} for i in range(30)])
    kept = [d["_id"] for d in capped.find()]
    assert kept == list(range(30 - len(kept), 30))
    assert kept
    if server.name == "embedded":
        assert len(kept) * 1000 <= size


def test_tailable_cursors_stay_open_after_every_document(
    client: MongoClient[Document], capped: Collection[Document]
) -> None:
    cursors = [capped.find(cursor_type=CursorType.TAILABLE) for _ in range(3)]
    for cursor in cursors:
        assert [d["_id"] for d in cursor] == [0, 1, 2]
        assert cursor.alive
    assert cursors_open(client) == 3
    capped.insert_one({"_id": 3})
    for cursor in cursors:
        assert [d["_id"] for d in cursor] == [3]
        cursor.close()
    assert cursors_open(client) == 0


def test_a_tailable_cursor_filters_and_projects(server: Server, capped: Collection[Document]) -> None:
    """SecantusDB does not project what a tailable cursor's getMore returns."""
    wanted = {"kind": "error"}
    with capped.find(wanted, {"text": 1, "_id": 0}, cursor_type=CursorType.TAILABLE) as cursor:
        assert list(cursor) == []
        capped.insert_many([{"kind": "info", "text": "a"}, {"kind": "error", "text": "b"}])
        (found,) = list(cursor)
        assert found["text"] == "b"
        if server.name == "embedded":
            assert found == {"text": "b"}
        assert cursor.alive


def test_a_tailable_cursor_on_an_empty_collection_is_dead(
    server: Server, client: MongoClient[Document], db: Database[Document]
) -> None:
    """MongoDB: `shouldSaveCursor`, SERVER-13955; manual, "Tailable Cursors". SecantusDB keeps it."""
    capped = db.create_collection("log", capped=True, size=100_000)
    cursor = capped.find(cursor_type=CursorType.TAILABLE)
    assert list(cursor) == []
    if server.name == "embedded":
        assert not cursor.alive
    cursor.close()
    assert cursors_open(client) == 0


def test_a_tailable_cursor_needs_a_capped_collection(thousand: Collection[Document]) -> None:
    error = error_of(lambda: list(thousand.find(cursor_type=CursorType.TAILABLE)))
    assert error.code == 2
    assert "non capped collection" in str(error)


def test_an_awaiting_cursor_is_woken_by_an_insert(
    server: Server, client: MongoClient[Document], capped: Collection[Document]
) -> None:
    """The embedded server is told to wait far longer than the patience: only the insert can end that in time.

    SecantusDB sees the insert when the wait is over (manual, "Tailable Cursors": new data wakes the cursor).
    """
    wait_ms = int(PATIENCE_S * 10_000) if server.name == "embedded" else 50
    cursor = capped.find(cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(wait_ms)
    assert [next(cursor)["_id"] for _ in range(3)] == [0, 1, 2]
    seen: list[int] = []

    def read() -> None:
        while not seen and cursor.alive:
            seen.extend(d["_id"] for d in itertools.islice(cursor, 1))

    reader = threading.Thread(target=read)
    reader.start()
    if server.name == "embedded":
        eventually(lambda: client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["pinned"] == 1)
    capped.insert_one({"_id": 3})
    reader.join(PATIENCE_S)
    assert seen == [3]
    cursor.close()
    assert cursors_open(client) == 0


def test_an_awaiting_cursor_gives_up_when_its_time_is_over(capped: Collection[Document]) -> None:
    cursor = capped.find(cursor_type=CursorType.TAILABLE_AWAIT).max_await_time_ms(20)
    assert [d["_id"] for d in cursor] == [0, 1, 2]
    assert cursor.alive
    assert list(cursor) == []
    cursor.close()


def test_a_tailable_cursor_that_was_overtaken_fails(
    server: Server, client: MongoClient[Document], capped: Collection[Document]
) -> None:
    """MongoDB answers CappedPositionLost (136), for pymongo a dead cursor. SecantusDB goes on."""
    with client.start_session() as session:
        cursor = capped.find(cursor_type=CursorType.TAILABLE, session=session)
        other = capped.find(cursor_type=CursorType.TAILABLE)
        assert len(list(cursor)) == len(list(other)) == 3
        capped.insert_many([{"_id": i} for i in range(10, 200)])
        if server.name == "embedded":
            more = {"getMore": cursor.cursor_id, "collection": capped.name}
            assert error_of(lambda: capped.database.command(more, session=session)).code == 136
            assert (list(other), other.alive) == ([], False)
            assert cursors_open(client) == 0
        cursor.close()
        other.close()


# ---- writing


def test_a_duplicate_key_is_told_and_ends_an_ordered_insert(db: Database[Document]) -> None:
    db.c.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError) as caught:
        db.c.insert_one({"_id": 1})
    assert caught.value.code == 11000
    documents = [{"_id": 2}, {"_id": 1}, {"_id": 3}]
    with pytest.raises(BulkWriteError) as bulk:
        db.c.insert_many(documents)
    assert bulk.value.details["nInserted"] == 1
    errors = bulk.value.details["writeErrors"]
    assert [(e["index"], e["code"]) for e in errors] == [(1, 11000)]
    assert errors[0]["keyValue"] == {"_id": 1}
    db.c.delete_one({"_id": 2})
    with pytest.raises(BulkWriteError) as bulk:
        db.c.insert_many(documents, ordered=False)
    assert bulk.value.details["nInserted"] == 2
    assert sorted(d["_id"] for d in db.c.find()) == [1, 2, 3]


def test_updates_and_deletes(thousand: Collection[Document]) -> None:
    one = thousand.update_one({"_id": 1}, {"$set": {"n": 42}, "$inc": {"seen": 1}})
    assert (one.matched_count, one.modified_count) == (1, 1)
    assert thousand.find_one({"n": 42}) == {"_id": 1, "n": 42, "text": "number 1", "seen": 1}
    many = thousand.update_many({"n": 3}, {"$set": {"n": 42}})
    assert (many.matched_count, many.modified_count) == (100, 100)
    upserted = thousand.update_one({"_id": 5000}, {"$set": {"n": 1}}, upsert=True)
    assert (upserted.upserted_id, upserted.matched_count) == (5000, 0)
    assert thousand.replace_one({"_id": 5000}, {"only": True}).modified_count == 1
    assert thousand.find_one({"_id": 5000}) == {"_id": 5000, "only": True}
    assert thousand.delete_one({"n": 42}).deleted_count == 1
    assert thousand.delete_many({"n": 42}).deleted_count == 100
    assert thousand.count_documents({}) == 900
    result = thousand.bulk_write([InsertOne({"_id": -1}), UpdateOne({"_id": -1}, {"$set": {"a": 1}})])
    assert (result.inserted_count, result.modified_count) == (1, 1)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"$mul": {"n": 3}}, {"n": 15}),
        ({"$mul": {"new": 3}}, {"new": 0}),
        ({"$inc": {"new": 3, "sub.new": 1}}, {"new": 3, "sub": {"x": 1, "new": 1}}),
        ({"$bit": {"n": {"and": 4}}}, {"n": 4}),
        ({"$bit": {"n": {"or": 2}}}, {"n": 7}),
        ({"$min": {"n": 3}, "$max": {"s": "z"}}, {"n": 3, "s": "z"}),
        ({"$pop": {"a": 1}}, {"a": [1]}),
        ({"$pop": {"a": -1, "new": 1}}, {"a": [2]}),
        ({"$push": {"a": {"$each": [5, 3], "$sort": 1}}}, {"a": [1, 2, 3, 5]}),
        ({"$addToSet": {"a": {"$each": [2, 3]}}}, {"a": [1, 2, 3]}),
        ({"$pull": {"a": 1}, "$unset": {"s": ""}}, {"a": [2], "s": None}),
        ({"$set": {}}, {}),
        ([{"$set": {"copy": "$sub.x"}}, {"$unset": "a"}], {"copy": 1, "a": None}),
    ],
    ids=str,
)
def test_what_an_update_does(db: Database[Document], change: Document | list[Document], found: Document) -> None:
    """Manual, "Update Operators"; None: the field is gone."""
    before = {"_id": 1, "n": 5, "s": "x", "a": [1, 2], "sub": {"x": 1}}
    db.c.insert_one(dict(before))
    db.c.update_one({"_id": 1}, change)
    assert db.c.find_one() == {k: v for k, v in {**before, **found}.items() if v is not None}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"$inc": {"s": 1}}, 14),
        ({"$inc": {"n": "x"}}, 14),
        ({"$mul": {"s": 2}}, 14),
        ({"$pop": {"n": 1}}, 14),
        ({"$push": {"n": 1}}, 2),
        ({"$addToSet": {"n": 1}}, 2),
        ({"$pull": {"n": 1}}, 2),
        ({"$bit": {"s": {"and": 1}}}, 2),
        ({"$set": {"n.b": 1}}, 28),
        ({"$set": {"_id": 2}}, 66),
        ({"$set": {"a": 1, "a.b": 2}}, 40),
        ({"$set": {"n": 1}, "$inc": {"n": 1}}, 40),
        ({"$nope": {"n": 1}}, 9),
        ({"$set": {"n": 1}, "b": 2}, 9),
        ([{"$match": {}}], 72),
    ],
    ids=str,
)
def test_an_update_that_cannot_be_is_told_by_its_code(
    server: Server, db: Database[Document], change: Document | list[Document], code: int
) -> None:
    """MongoDB's codes; the document stays as it was. SecantusDB has others for some."""
    before = {"_id": 1, "n": 5, "s": "x", "a": [1]}
    db.c.insert_one(dict(before))
    reply = db.command("update", "c", updates=[{"q": {"_id": 1}, "u": change}], check=False)
    if server.name == "embedded":
        assert [e["code"] for e in reply["writeErrors"]] == [code]
        assert "Error" not in reply["writeErrors"][0]["errmsg"]
    assert db.c.find_one() == before


def test_a_replacement_keeps_its_id(db: Database[Document]) -> None:
    db.c.insert_many([{"_id": i, "n": i} for i in range(3)])
    with pytest.raises(WriteError) as caught:
        db.c.replace_one({"_id": 1}, {"_id": 7})
    assert caught.value.code == 66
    db.c.replace_one({"_id": {"$gt": 1}}, {"n": "new"})
    assert [d["n"] for d in db.c.find()] == [0, 1, "new"]


def test_an_upsert_takes_what_its_filter_says_by_equality(db: Database[Document]) -> None:
    """Manual, "db.collection.updateOne()", Upsert with Operator Expressions."""
    change = {"$set": {"z": 1}, "$setOnInsert": {"w": 2}}
    inserted = db.c.update_one({"k": 3, "sub.x": 4, "n": {"$gt": 5}, "$and": [{"m": 6}]}, change, upsert=True)
    assert db.c.find_one() == {"_id": inserted.upserted_id, "k": 3, "sub": {"x": 4}, "m": 6, "z": 1, "w": 2}
    again = db.c.update_one({"k": 3}, change, upsert=True)
    assert (again.matched_count, again.modified_count, again.upserted_id) == (1, 0, None)


def test_a_write_that_fails_leaves_nothing_behind(embedded: Server) -> None:
    """mongomock cannot look for an array in a sparse unique index, and notices when it has stored the document."""
    with MongoClient[Document](embedded.uri) as client:
        c = client.behind.c
        c.create_index("a", unique=True, sparse=True)
        c.insert_one({"_id": 1, "a": 1})
        for write in (
            lambda: c.insert_one({"_id": 2, "a": [1, 2]}),
            lambda: c.insert_one({"_id": bson.Decimal128("1.5")}),
            lambda: c.update_one({"_id": 1}, {"$set": {"a": [1, 2]}}),
        ):
            assert error_of(write).code == 238
            assert list(c.find()) == list(c.find({"_id": {"$exists": True}})) == [{"_id": 1, "a": 1}]
        client.drop_database("behind")


def test_an_update_may_not_make_a_document_too_large(db: Database[Document]) -> None:
    db.c.insert_one({"_id": 1, "p": b"x" * 9_000_000})
    with pytest.raises(WriteError) as caught:
        db.c.update_one({"_id": 1}, {"$set": {"q": b"x" * 9_000_000}})
    assert caught.value.code == 10334
    assert list((db.c.find_one() or {}).keys()) == ["_id", "p"]


def test_find_and_modify(client: MongoClient[Document], thousand: Collection[Document]) -> None:
    """Manual, "findAndModify"."""
    before = thousand.find_one_and_update({"n": 3}, {"$inc": {"n": 100}}, sort=[("_id", DESCENDING)])
    assert before == {"_id": 993, "n": 3, "text": "number 993"}
    after = thousand.find_one_and_update(
        {"_id": 993}, {"$set": {"n": 5}}, projection={"n": 1}, return_document=ReturnDocument.AFTER
    )
    assert after == {"_id": 993, "n": 5}
    assert thousand.find_one_and_replace({"_id": -1}, {"n": 1}) is None
    upserted = thousand.find_one_and_update(
        {"_id": 5000}, {"$set": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    assert upserted == {"_id": 5000, "n": 1}
    assert thousand.find_one_and_delete({"_id": 5000}) == {"_id": 5000, "n": 1}
    assert thousand.count_documents({}) == 1000
    reply = thousand.database.command("findAndModify", thousand.name, query={"_id": 0}, remove=True)
    assert (reply["lastErrorObject"], reply["value"]["_id"]) == ({"n": 1}, 0)
    error = error_of(
        lambda: thousand.database.command("findAndModify", thousand.name, query={}, remove=True, update={"a": 1})
    )
    assert error.code == 9


def test_find_and_modify_is_counted_but_reads_nothing() -> None:
    """The lab counts the reads of a half by their commands; this one writes."""

    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        with connect(port) as connection:
            ask(connection, {"findAndModify": "c", "query": {}, "update": {"a": 1}, "upsert": True, "$db": "a"})
            commands = ask(connection, {"serverStatus": 1, "$db": "a"})["metrics"]["commands"]
            assert {name: counted["total"] for name, counted in commands.items()} == {
                "findAndModify": 1,
                "serverStatus": 1,
            }
        assert "findAndModify" not in READS

    serve(use)


# ---- indexes


def test_indexes_are_listed_and_dropped(server: Server, client: MongoClient[Document], db: Database[Document]) -> None:
    db.c.create_index([("a", ASCENDING), ("b", DESCENDING)], unique=True)
    db.c.create_index("c")
    assert {index["name"]: dict(index["key"]) for index in db.c.list_indexes()} == {
        "_id_": {"_id": 1},
        "a_1_b_-1": {"a": 1, "b": -1},
        "c_1": {"c": 1},
    }
    assert db.c.index_information()["a_1_b_-1"]["unique"] is True
    db.c.drop_index("c_1")
    db.c.drop_index([("a", ASCENDING), ("b", DESCENDING)])
    assert list(db.c.index_information()) == ["_id_"]
    assert error_of(lambda: db.command("dropIndexes", "c", index="absent")).code == 27
    assert error_of(lambda: db.command("dropIndexes", "c", index="_id_")).code == 72
    db.c.create_index("c")
    db.c.drop_indexes()
    assert list(db.c.index_information()) == ["_id_"]
    assert error_of(lambda: db.command("listIndexes", "absent")).code == 26
    assert cursors_open(client) == 0


def test_an_index_that_is_there_is_not_made_anew(db: Database[Document]) -> None:
    db.c.create_index("a")
    db.c.create_index("a")
    assert len(db.c.index_information()) == 2
    assert error_of(lambda: db.c.create_index("a", unique=True)).code == 86
    assert error_of(lambda: db.c.create_index("b", name="a_1")).code == 86
    assert error_of(lambda: db.c.create_index("a", name="other")).code == 85
    assert error_of(lambda: db.c.create_index([("a", "nope")])).code == 67


def test_a_duplicate_key_is_told_with_its_index(server: Server, db: Database[Document]) -> None:
    """SecantusDB is not asked about the index that cannot be built."""
    db.c.create_index([("a", ASCENDING), ("b", ASCENDING)], unique=True)
    db.c.insert_many([{"_id": 1, "a": 1, "b": 1}, {"_id": 2, "a": 2, "b": 2}])
    for write in (
        lambda: db.c.insert_one({"a": 1, "b": 1}),
        lambda: db.c.update_one({"_id": 2}, {"$set": {"a": 1, "b": 1}}),
    ):
        with pytest.raises(DuplicateKeyError) as caught:
            write()
        details = caught.value.details or {}
        assert (details["keyPattern"], details["keyValue"]) == ({"a": 1, "b": 1}, {"a": 1, "b": 1})
    assert db.c.find_one({"_id": 2}) == {"_id": 2, "a": 2, "b": 2}
    if server.name == "embedded":
        db.d.insert_many([{"a": 1}, {"a": 1}])
        with pytest.raises(DuplicateKeyError) as caught:
            db.d.create_index("a", unique=True)
        assert (caught.value.details or {})["keyValue"] == {"a": 1}


def test_a_unique_index_is_kept(db: Database[Document]) -> None:
    db.c.create_index("name", unique=True)
    db.c.insert_one({"name": "a"})
    with pytest.raises(DuplicateKeyError):
        db.c.insert_one({"name": "a"})
    assert db.c.count_documents({}) == 1


def test_unacknowledged_writes_arrive_and_are_not_answered(db: Database[Document]) -> None:
    unacknowledged = db.get_collection("c", write_concern=db.write_concern.__class__(w=0))
    unacknowledged.insert_one({"_id": 1})
    eventually(lambda: db.c.count_documents({}) == 1)


def test_every_bson_type_survives(db: Database[Document]) -> None:
    document: Document = {
        "_id": bson.ObjectId(),
        "double": 1.0,
        "long": bson.Int64(1),
        "int": 1,
        "decimal": bson.Decimal128("1.50"),
        "binary": bson.Binary(b"x", 128),
        "bytes": b"y",
        "regex": bson.Regex("^a", "i"),
        "timestamp": bson.Timestamp(7, 1),
        "code": bson.Code("f()"),
        "min": bson.MinKey(),
        "null": None,
        "nested": {"a": [{"b": [True, "ü"]}]},
    }
    db.c.insert_one(document)
    found = db.c.find_one()
    assert found == document
    assert bson.encode(found) == bson.encode(document)


# ---- counting and aggregating


def test_count_distinct_and_aggregate(thousand: Collection[Document]) -> None:
    assert thousand.estimated_document_count() == 1000
    assert thousand.count_documents({"n": {"$gte": 5}}) == 500
    assert thousand.count_documents({"n": 5}, skip=10, limit=20) == 20
    assert thousand.database.command("count", thousand.name, query={"n": 5}, skip=95)["n"] == 5
    assert sorted(thousand.distinct("n", {"_id": {"$lt": 4}})) == [0, 1, 2, 3]
    pipeline: list[Document] = [
        {"$match": {"n": {"$lt": 3}}},
        {"$group": {"_id": "$n", "sum": {"$sum": "$_id"}, "count": {"$sum": 1}}},
        {"$sort": {"_id": -1}},
        {"$limit": 2},
    ]
    assert list(thousand.aggregate(pipeline)) == [
        {"_id": 2, "sum": sum(range(2, 1000, 10)), "count": 100},
        {"_id": 1, "sum": sum(range(1, 1000, 10)), "count": 100},
    ]
    assert list(thousand.aggregate([{"$match": {"n": 1}}, {"$count": "n"}])) == [{"n": 100}]
    thousand.aggregate([{"$match": {"n": 1}}, {"$out": "ones"}])
    assert thousand.database.ones.count_documents({}) == 100


@pytest.mark.parametrize(
    ("pipeline", "found"),
    [
        ([{"$match": {"_id": -1}}, {"$group": {"_id": None, "newest": {"$max": "$_id"}}}], []),
        ([{"$group": {"_id": None, "v": {"$addToSet": "$v"}}}], [{"_id": None, "v": [0, False, "", 5]}]),
        ([{"$group": {"_id": None, "v": {"$avg": "$v"}}}], [{"_id": None, "v": 2.5}]),
        ([{"$group": {"_id": 0, "v": {"$sum": "$v"}}}], [{"_id": 0, "v": 5}]),
        ([{"$group": {"_id": None, "n": {"$count": {}}}}], [{"_id": None, "n": 5}]),
        ([{"$group": {"_id": None, "f": {"$first": "$w"}, "l": {"$last": "$w"}}}], [{"_id": None, "f": None, "l": 9}]),
        ([{"$sortByCount": "$w"}, {"$limit": 1}], [{"_id": None, "count": 4}]),
        ([{"$skip": 4}, {"$unset": ["v", "d"]}], [{"_id": 5, "w": 9}]),
        ([{"$skip": 4}, {"$replaceWith": "$d"}], [{"x": 1}]),
        ([{"$skip": 4}, {"$project": {"d": {"y": "$w"}, "z": {"$eq": ["$absent", 1]}}}],
         [{"_id": 5, "d": {"y": 9}, "z": False}]),
        ([{"$skip": 4}, {"$set": {"d.y": "$w", "v": "$absent"}}], [{"_id": 5, "w": 9, "d": {"x": 1, "y": 9}}]),
        ([{"$skip": 4}, {"$project": {"_id": 0, "o": ["$w", "$absent"]}}], [{"o": [9, None]}]),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_pipeline_makes(db: Database[Document], pipeline: list[Document], found: list[Document]) -> None:
    """Manual, "Aggregation Stages" and "Aggregation Operators"."""
    values: list[object] = [0, False, "", 5]
    db.c.insert_many([{"_id": i, "v": v} for i, v in enumerate(values, 1)])
    db.c.insert_one({"_id": 5, "w": 9, "d": {"x": 1}})
    got = list(db.c.aggregate(pipeline))
    assert got == found
    assert [type(v) for d in got for v in d.values()] == [type(v) for d in found for v in d.values()]


def test_nothing_counts_to_nothing(server: Server, thousand: Collection[Document]) -> None:
    """Manual, "$count (aggregation)", is $group and $project; SecantusDB answers with a 0."""
    found = list(thousand.aggregate([{"$match": {"_id": -1}}, {"$count": "n"}]))
    assert found == ([] if server.name == "embedded" else [{"n": 0}])


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ({"$limit": 0}, 15958),
        ({"$limit": -1}, 5107201),
        ({"$limit": "x"}, 5107201),
        ({"$skip": -1}, 5107200),
        ({"$sort": {}}, 15976),
        ({"$sort": {"n": 5}}, 15975),
        ({"$sort": {"n": "up"}}, 15974),
        ({"$sort": 5}, 15973),
        ({"$out": "o"}, 40601),
        ({"$group": {"n": {"$sum": 1}}}, 15955),
        ({"$group": 5}, 15947),
        ({"$group": {"_id": 1, "n": 5}}, 40234),
        ({"$group": {"_id": 1, "n": {"$nope": 1}}}, 15952),
        ({"$group": {"_id": 1, "n": {"$maxN": {"input": "$n", "n": 2}}}}, 238),
        ({"$group": {"_id": 1, "n": {"$stdDevPop": "$n"}}}, 238),
        ({"$group": {"_id": {"$nope": 1}}}, 168),
        ({"$count": ""}, 40157),
        ({"$count": "$n"}, 40158),
        ({"$project": {}}, 51272),
        ({"$project": {"n": 1, "text": 0}}, 31254),
        ({"$unwind": "n"}, 28818),
        ({"$unset": 5}, 31002),
        ({"$replaceRoot": {}}, 40231),
        ({"$sortByCount": "n"}, 40149),
        ({"$sample": {}}, 28749),
        ({"$facet": {"a": [{"$out": "o"}]}}, 40600),
        ({"$facet": {"a": [{"$limit": 0}]}}, 15958),
        ({"$lookup": {"from": "c", "pipeline": [], "as": "j"}}, 238),
        ({"$merge": "o"}, 40601),
        ({"$unionWith": "other"}, 238),
        ({"$setWindowFields": {}}, 238),
        ({"$changeStream": {}}, 238),
        ({"$redact": "$$KEEP"}, 238),
        ({"$nope": 1}, 40324),
    ],
    ids=str,
)
def test_a_stage_that_cannot_be_is_told_by_its_code(embedded: Server, stage: Document, code: int) -> None:
    """MongoDB's codes (SecantusDB has others for some), or NotImplemented and a way out."""
    with MongoClient[Document](embedded.uri) as client:
        pipeline = [{"$match": {}}, stage, {"$limit": 1}]
        error = error_of(lambda: list(client.stages.c.aggregate(pipeline)))
        assert error.code == code
        assert ("--mongo" in str(error)) == (code == 238)


# ---- collections


def test_collections_are_listed_created_and_dropped(client: MongoClient[Document], db: Database[Document]) -> None:
    db.create_collection("plain")
    db.create_collection("log", capped=True, size=4096, max=7)
    db.written.insert_one({})
    assert sorted(db.list_collection_names()) == ["log", "plain", "written"]
    (log,) = db.list_collections(filter={"name": "log"})
    assert (log["type"], log["options"]) == ("collection", {"capped": True, "size": 4096, "max": 7})
    assert db.list_collection_names(filter={"name": {"$regex": "^p"}}) == ["plain"]
    assert db.name in client.list_database_names()
    with pytest.raises(CollectionInvalid):
        db.create_collection("plain")
    assert error_of(lambda: db.command("create", "plain", capped=True, size=4096)).code == 48
    db.drop_collection("plain")
    assert "plain" not in db.list_collection_names()
    client.drop_database(db.name)
    assert db.list_collection_names() == []
    assert db.name not in client.list_database_names()


def test_more_collections_than_a_batch_holds_are_listed(client: MongoClient[Document], db: Database[Document]) -> None:
    names = [f"c{number:03d}" for number in range(105)]
    for name in names:
        db.create_collection(name)
    assert sorted(db.list_collection_names()) == names
    assert cursors_open(client) == 0
    # pymongo's `cursor_command` ends a cursor that is left early by the name that the reply gave it.
    with db.cursor_command("listCollections", cursor={"batchSize": 1}) as listed:
        assert next(listed)["name"] in names
        assert cursors_open(client) == 1
    assert cursors_open(client) == 0


def test_dropping_what_is_absent(server: Server, db: Database[Document]) -> None:
    """An error up to MongoDB 6.0, as the embedded server says it is, and none from 7.0 on (SERVER-43894)."""
    db.drop_collection("absent")
    db.client.drop_database("absent")
    if server.name == "embedded":
        error = error_of(lambda: db.command("drop", "absent"))
        assert (error.code, (error.details or {})["errmsg"]) == (26, "ns not found")


# ---- errors


def test_an_unknown_command_is_answered_as_mongodb_does(db: Database[Document]) -> None:
    error = error_of(lambda: db.command("xyz"))
    assert error.code == 59
    assert error.details is not None
    assert {k: error.details[k] for k in ("ok", "errmsg", "code", "codeName")} == {
        "ok": 0.0,
        "errmsg": "no such command: 'xyz'",
        "code": 59,
        "codeName": "CommandNotFound",
    }


@pytest.mark.parametrize("name", ["explain", "collStats", "renameCollection", "saslStart", "startSession"])
def test_a_command_that_only_mongodb_has_is_no_unknown_one(embedded: Server, name: str) -> None:
    with MongoClient[Document](embedded.uri) as client:
        error = error_of(lambda: client.admin.command(name))
        assert error.code == 238
        assert f"the command {name} is not implemented in the embedded server: use --mongo" in str(error)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ({"find": "numbers", "batchsize": 10}, "find.batchsize"),
        ({"aggregate": "numbers", "pipeline": [], "cursor": {}, "filter": {}}, "aggregate.filter"),
        ({"getMore": bson.Int64(5), "collection": "numbers", "limit": 1}, "getMore.limit"),
        ({"create": "c", "cap": True}, "create.cap"),
        ({"update": "numbers", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "many": True}]}, "update.updates.many"),
        ({"delete": "numbers", "deletes": [{"q": {}, "limit": 1, "sort": {}}]}, "delete.deletes.sort"),
    ],
    ids=str,
)
def test_a_field_that_a_command_has_not_is_refused(embedded: Server, command: Document, field: str) -> None:
    with MongoClient[Document](embedded.uri) as client:
        reply = client.fields.command(command, check=False)
        error = reply.get("writeErrors", [reply])[0]
        assert (error["code"], error["errmsg"]) == (40415, f"BSON field '{field}' is an unknown field.")


def test_every_option_of_pymongo_is_known(embedded: Server) -> None:
    """Each is taken, or refused as not implemented; none is an unknown field."""
    with MongoClient[Document](embedded.uri) as client, client.start_session() as session:
        database = client["options"]
        c = database.get_collection("c", write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))
        any_call: dict[str, Any] = {"comment": "why", "session": session}
        c.insert_many([{"_id": i} for i in range(9)], bypass_document_validation=True, **any_call)
        c.bulk_write([UpdateOne({"_id": 1}, {"$set": {"a": 1}})], bypass_document_validation=True, **any_call)
        assert len(list(c.find(batch_size=2, max_time_ms=9999, allow_disk_use=True, no_cursor_timeout=True,
                               allow_partial_results=True, **any_call))) == 9  # fmt: skip
        assert len(list(c.aggregate([], allowDiskUse=True, maxTimeMS=9999, bypassDocumentValidation=True,
                                    batchSize=2, **any_call))) == 9  # fmt: skip
        assert c.count_documents({}, maxTimeMS=9999, **any_call) == 9
        assert c.estimated_document_count(comment="why", maxTimeMS=9999) == 9
        assert len(c.distinct("_id", hint="_id_", **any_call)) == 9
        c.find_one_and_update({"_id": 1}, {"$set": {"b": 1}}, maxTimeMS=9999, **any_call)
        c.create_index("a", comment="why", maxTimeMS=9999, session=session)
        assert len(list(c.list_indexes(**any_call))) == 2
        c.drop_indexes(**any_call)
        database.create_collection("d", **any_call)
        assert len(database.list_collection_names(authorizedCollections=True, **any_call)) == 2
        assert "options" in client.list_database_names(**any_call)
        database.drop_collection("d", **any_call)
        refused: list[Callable[[], object]] = [
            lambda: list(c.find({}, let={"x": 1})),
            lambda: list(c.aggregate([], let={"x": 1})),
            lambda: list(c.find(min=[("_id", 1)], hint="_id_")),
            lambda: list(c.find(collation={"locale": "de"})),
            lambda: c.update_one({}, {"$set": {"a": 1}}, let={"x": 1}),
            lambda: c.update_one({}, {"$set": {"a.$[e]": 1}}, array_filters=[{"e": 1}]),
            lambda: c.delete_one({}, hint="_id_"),
        ]
        assert [error_of(call).code for call in refused] == [238] * len(refused)
        client.drop_database("options", **any_call)


def test_what_mongomock_trips_over_is_not_shown(embedded: Server) -> None:
    """An error of it says nothing that a client can use: the client is told who could not do it."""
    pipeline = [{"$project": {"x": {"$toLower": {"$arrayElemAt": ["$a", "x"]}}}}]
    with MongoClient[Document](embedded.uri) as client:
        client.trips.c.insert_one({"_id": 1, "a": [1]})
        error = error_of(lambda: list(client.trips.c.aggregate(pipeline)))
        assert error.code == 238
        assert "could not be carried out by the embedded server" in str(error)
        assert "Error:" not in (error.details or {})["errmsg"]
        client.drop_database("trips")


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ({"find": "numbers", "batchSize": -1}, {2, 51024}),
        ({"find": "numbers", "limit": -1}, {2, 51024}),
        ({"find": "numbers", "skip": -1}, {2, 51024}),
        ({"find": "numbers", "batchSize": "x"}, {14}),
        ({"find": "numbers", "filter": 3}, {14}),
        ({"find": "numbers", "sort": "n"}, {14}),
        ({"find": "numbers", "projection": "n"}, {14}),
        ({"find": "numbers", "filter": {"n": {"$foo": 1}}}, {2}),
        ({"find": "numbers", "filter": {"$foo": 1}}, {2}),
        ({"find": "numbers", "filter": {"$and": []}}, {2}),
        ({"find": "numbers", "filter": {"$and": 1}}, {2}),
        ({"find": "numbers", "filter": {"n": {"$in": 1}}}, {2}),
        ({"find": "numbers", "awaitData": True}, {9}),
        ({"find": 5}, {2, 14, 73}),
        ({"find": ""}, {73}),
        ({"getMore": bson.Int64(99), "collection": "numbers"}, {43}),
        ({"getMore": "x", "collection": "numbers"}, {14}),
        ({"killCursors": "numbers"}, {40414}),
        ({"killCursors": "numbers", "cursors": 5}, {14}),
        ({"aggregate": "numbers", "pipeline": [{"$nope": 1}], "cursor": {}}, {40324}),
        ({"aggregate": "numbers", "pipeline": [{}], "cursor": {}}, {40323}),
        ({"aggregate": "numbers", "pipeline": 1, "cursor": {}}, {14}),
        ({"aggregate": "numbers", "pipeline": []}, {9}),
        ({"create": "log", "capped": True}, {72}),
        ({"create": "log", "size": 5}, {72}),
        ({"insert": "numbers"}, {40414}),
    ],
    ids=str,
)
def test_a_wrong_command_gets_an_error_document(
    server: Server, thousand: Collection[Document], command: Document, codes: set[int]
) -> None:
    """The codes are MongoDB's; several where releases differ (51024 became BadValue after 6.0).

    SecantusDB is only asked to survive: it takes an empty collection name, and has other codes for some.
    """
    if server.name == "embedded":
        assert error_of(lambda: thousand.database.command(command)).code in codes
    else:
        with contextlib.suppress(OperationFailure):
            thousand.database.command(command)
    assert thousand.database.command("ping")["ok"] == 1.0


def test_what_a_document_may_not_be(server: Server, db: Database[Document]) -> None:
    """Manual, "Documents", the _id field: anything but an array. SecantusDB takes one."""
    if server.name == "embedded":
        with pytest.raises(WriteError) as caught:
            db.c.insert_one({"_id": [1]})
        assert caught.value.code == 53
        assert db.c.count_documents({}) == 0


# ---- the handshakes


@pytest.mark.parametrize("name", ["hello", "isMaster", "ismaster"])
def test_it_says_that_it_is_a_standalone_server(client: MongoClient[Document], name: str) -> None:
    reply = client.admin.command(name)
    assert reply["isWritablePrimary" if name == "hello" else "ismaster"] is True
    assert (reply["maxBsonObjectSize"], reply["maxMessageSizeBytes"]) == (16_777_216, 48_000_000)
    assert "setName" not in reply
    assert reply["minWireVersion"] <= 9 <= reply["maxWireVersion"]


def test_build_info_and_sessions(client: MongoClient[Document]) -> None:
    info = client.server_info()
    assert [*map(int, info["version"].split("."))] == info["versionArray"][:3]
    with client.start_session() as session:
        client.admin.command("ping", session=session)
        lsid = session.session_id
    assert client.admin.command("endSessions", [lsid])["ok"] == 1.0


# ---- the embedded server alone: what it reports of itself


def test_pymongo_polls_it_instead_of_streaming(embedded: Server) -> None:
    with MongoClient[Document](embedded.uri) as client:
        assert "topologyVersion" not in client.admin.command("hello")


def serve(use: Callable[[int, Callable[[], MongoCounts]], None], **options: Any) -> MongoCounts:
    """Run `use(port, counts)` in a thread against a service in this process; returns its last counts."""

    async def main() -> MongoCounts:
        service = MongoService(**options)
        port = await service.start()
        try:
            await asyncio.to_thread(use, port, service.counts)
        finally:
            await service.stop()
            await service.stop()
        leftover = asyncio.all_tasks() - {asyncio.current_task()}
        assert not leftover
        return service.counts()

    return asyncio.run(main())


def ask(connection: socket.socket, command: Document) -> Document:
    connection.sendall(wire.request_message(bson.encode(command), request_id=1))
    return answer(connection)


def answer(connection: socket.socket) -> Document:
    head = receive(connection, 16)
    payload = receive(connection, struct.unpack_from("<i", head)[0] - 16)
    return bson.decode(payload[5:])


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError(f"closed after {len(data)} of {count} bytes")
        data += part
    return data


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closes this connection without another byte."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_the_counts_are_exact() -> None:
    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        assert counts() == MongoCounts(0, 0, 0, 0, 0, 0)
        with connect(port) as one, connect(port) as two:
            for connection in (one, two, one):
                assert ask(connection, {"ping": 1, "$db": "a"})["ok"] == 1.0
            ask(one, {"insert": "c", "documents": [{"_id": i} for i in range(9)], "$db": "a"})
            for _ in range(4):
                ask(one, {"find": "c", "batchSize": 1, "$db": "a"})
            assert counts() == MongoCounts(2, 2, 2, 8, 4, 4)
            two.shutdown(socket.SHUT_WR)  # half-closed is closed
            assert is_closed(two)
            assert counts().connections_open == 1
        eventually(lambda: counts().connections_open == 0)
        with connect(port) as three:
            status = ask(three, {"serverStatus": 1, "$db": "admin"})
            assert status["connections"] == {"current": 1, "totalCreated": 3}
            assert status["metrics"]["cursor"]["open"]["total"] == 4
        eventually(lambda: counts() == MongoCounts(3, 0, 2, 9, 4, 4))

    assert serve(use) == MongoCounts(3, 0, 2, 9, 0, 4)


def test_operations_are_counted_by_their_kind() -> None:
    """Manual, "serverStatus", opcounters: writes by statement, finds as queries, the rest as commands."""

    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        with connect(port) as connection:
            ask(connection, {"insert": "c", "documents": [{"_id": i} for i in range(9)], "$db": "a"})
            ask(connection, {"delete": "c", "deletes": [{"q": {"_id": 0}, "limit": 1}] * 2, "$db": "a"})
            cursor_id = ask(connection, {"find": "c", "batchSize": 1, "$db": "a"})["cursor"]["id"]
            ask(connection, {"getMore": cursor_id, "collection": "c", "$db": "a"})
            ask(connection, {"update": "c", "updates": 5, "$db": "a"})
            assert ask(connection, {"serverStatus": 1, "$db": "a"})["opcounters"] == {
                "insert": 9,
                "query": 1,
                "update": 1,
                "delete": 2,
                "getmore": 1,
                "command": 1,
            }

    serve(use)


def test_idle_cursors_time_out_unless_they_must_not() -> None:
    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        with connect(port) as connection:
            ask(connection, {"insert": "c", "documents": [{"_id": i} for i in range(9)], "$db": "a"})
            for no_timeout in (False, True, False):
                find = {"find": "c", "batchSize": 1, "noCursorTimeout": no_timeout, "$db": "a"}
                assert ask(connection, find)["cursor"]["id"]
            eventually(lambda: counts().cursors_open == 1)
            cursors = ask(connection, {"serverStatus": 1, "$db": "a"})["metrics"]["cursor"]
            assert cursors["timedOut"] == 2
            assert cursors["open"] == {"noTimeout": 1, "pinned": 0, "total": 1}

    serve(use, cursor_timeout_s=0.05)


def test_more_cursors_than_allowed_are_refused() -> None:
    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        with connect(port) as connection:
            ask(connection, {"insert": "c", "documents": [{"_id": i} for i in range(9)], "$db": "a"})
            replies = [ask(connection, {"find": "c", "batchSize": 1, "$db": "a"}) for _ in range(3)]
            assert [r.get("code") for r in replies] == [None, None, 146]

    serve(use, max_open_cursors=2)


def test_stopping_ends_clients_that_wait_and_those_that_idle() -> None:
    async def main() -> None:
        service = MongoService()
        port = await service.start()
        with pytest.raises(RuntimeError, match="started already"):
            await service.start()
        idle, waiting = await asyncio.to_thread(connect, port), await asyncio.to_thread(connect, port)
        with idle, waiting:

            def tail() -> None:
                ask(waiting, {"create": "c", "capped": True, "size": 4096, "$db": "a"})
                ask(waiting, {"insert": "c", "documents": [{}], "$db": "a"})
                find = {"find": "c", "tailable": True, "awaitData": True, "$db": "a"}
                more = {"getMore": ask(waiting, find)["cursor"]["id"], "collection": "c", "$db": "a"}
                body = bson.encode({**more, "maxTimeMS": 1_000_000})
                waiting.sendall(wire.request_message(body, request_id=1))

            await asyncio.to_thread(tail)
            while len(asyncio.all_tasks()) < 2:
                await asyncio.sleep(0.001)
            await service.stop()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert (service.counts().connections_open, service.counts().cursors_open) == (0, 0)
            assert await asyncio.to_thread(is_closed, idle)
            assert await asyncio.to_thread(is_closed, waiting)
        with pytest.raises(ConnectionRefusedError):
            connect(port)

    asyncio.run(main())


def test_a_client_that_goes_while_it_waits_leaves_its_cursor_usable() -> None:
    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        with connect(port) as keeper:
            ask(keeper, {"create": "c", "capped": True, "size": 4096, "$db": "a"})
            ask(keeper, {"insert": "c", "documents": [{"_id": 1}], "$db": "a"})
            with connect(port) as gone:
                find = {"find": "c", "tailable": True, "awaitData": True, "$db": "a"}
                cursor_id = ask(gone, find)["cursor"]["id"]
                more = {"getMore": cursor_id, "collection": "c", "$db": "a"}
                gone.sendall(wire.request_message(bson.encode({**more, "maxTimeMS": 999_999}), request_id=1))

                def pinned() -> int:
                    status = ask(keeper, {"serverStatus": 1, "$db": "a"})
                    return int(status["metrics"]["cursor"]["open"]["pinned"])

                eventually(lambda: pinned() == 1)
                assert ask(keeper, more)["code"] == 12051
            eventually(lambda: pinned() == 0)
            ask(keeper, {"insert": "c", "documents": [{"_id": 2}], "$db": "a"})
            assert ask(keeper, more)["cursor"]["nextBatch"] == [{"_id": 2}]

    serve(use)


def test_killing_a_cursor_ends_the_wait_on_it() -> None:
    def use(port: int, counts: Callable[[], MongoCounts]) -> None:
        with connect(port) as killer, connect(port) as waiting:
            ask(killer, {"create": "c", "capped": True, "size": 4096, "$db": "a"})
            ask(killer, {"insert": "c", "documents": [{"_id": 1}], "$db": "a"})
            find = {"find": "c", "tailable": True, "awaitData": True, "$db": "a"}
            cursor_id = ask(waiting, find)["cursor"]["id"]
            more = {"getMore": cursor_id, "collection": "c", "maxTimeMS": 999_999, "$db": "a"}
            waiting.sendall(wire.request_message(bson.encode(more), request_id=1))
            eventually(lambda: ask(killer, {"serverStatus": 1, "$db": "a"})["metrics"]["cursor"]["open"]["pinned"] == 1)
            killed = ask(killer, {"killCursors": "c", "cursors": [cursor_id], "$db": "a"})
            assert killed["cursorsKilled"] == [cursor_id]
            assert answer(waiting)["code"] == 237
            assert counts().cursors_open == 0

    serve(use)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "example.org", "", "::"])  # noqa: S104 - refused
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        MongoService(host=host)


# ---- the embedded server alone: clients that are wrong


@contextlib.contextmanager
def healthy(server: Server) -> Iterator[None]:
    """Another client that works before, meanwhile and after, and finds its own data as it left it."""
    with MongoClient[Document](server.uri) as client:
        collection = client[f"healthy{next(_numbers)}"].c
        collection.insert_many([{"_id": i} for i in range(50)])
        with collection.find(batch_size=5) as cursor:
            assert next(cursor)["_id"] == 0
            yield
            assert [d["_id"] for d in cursor] == list(range(1, 50))
        client.drop_database(collection.database.name)


def framed(payload: bytes, opcode: int = 2013) -> bytes:
    return struct.pack("<iiii", 16 + len(payload), 9, 0, opcode) + payload


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
        (b"\0\0\0\0\0" + bson.encode({"$db": "a"}), 59),
        (b"\0\0\0\0\0" + bson.encode({"insert": "c", "documents": 5, "$db": "a"}), 14),
        (b"\0\0\0\0\0" + bson.encode({"insert": "c", "documents": [5], "$db": "a"}), 14),
        (b"\0\0\0\0\0" + bson.encode({}), 40571),
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
    whole = wire.request_message(bson.encode({"ping": 1, "$db": "a"}), request_id=1)
    with healthy(embedded):
        for length in range(len(whole)):
            with connect(embedded.port) as connection:
                connection.sendall(whole[:length])
                if length % 2:
                    connection.shutdown(socket.SHUT_WR)
                    assert is_closed(connection)


def test_a_message_in_single_bytes_and_many_in_one_write(embedded: Server) -> None:
    whole = wire.request_message(bson.encode({"ping": 1, "$db": "a"}), request_id=1)
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
        find = wire.request_message(bson.encode({"find": "c", "$db": "slow"}), request_id=1)

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
    "listDatabases", "endSessions", "hello", "serverStatus",
]  # fmt: skip
EVERYWHERE = {"$db", "lsid", "maxTimeMS"}


def fields_of(command: str) -> st.SearchStrategy[Document]:
    names = FIELDS.get(command, frozenset())
    own = [*sorted(names - FIELDS["dropDatabase"] | EVERYWHERE), "unknown"]
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
