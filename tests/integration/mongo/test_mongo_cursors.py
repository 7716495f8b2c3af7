"""What stays open on a MongoDB server, embedded and peer: cursors, batches, tailable cursors."""

from __future__ import annotations

import itertools
import threading

import bson
import pytest
from pymongo import CursorType
from pymongo.errors import CursorNotFound

from tests.integration.mongo.raw import ask, connect
from tests.integration.mongo.servers import Client, Data, Docs, Document, Server, cursors_open, error_of, eventually


def test_a_cursor_stays_open_on_the_server_until_it_is_closed(client: Client, thousand: Docs) -> None:
    cursors = [thousand.find(batch_size=10) for _ in range(20)]
    assert cursors_open(client) == 0
    for cursor in cursors:
        next(cursor)
    assert cursors_open(client) == 20
    for closed, cursor in enumerate(cursors, 1):
        cursor.close()
        assert cursors_open(client) == 20 - closed


@pytest.mark.parametrize("cursor_type", [CursorType.NON_TAILABLE, CursorType.EXHAUST])
def test_batches_of_every_kind_of_cursor_make_the_whole_result(
    client: Client, thousand: Docs, cursor_type: int
) -> None:
    """A server may answer an exhaust cursor batch by batch (driver specification "OP_MSG", exhaustAllowed)."""
    cursor = thousand.find(batch_size=7, cursor_type=cursor_type)
    assert next(cursor)["_id"] == 0
    assert [d["_id"] for d in cursor] == list(range(1, 1000))
    assert [d["_id"] for d in thousand.find(batch_size=0)] == list(range(1000))
    assert cursors_open(client) == 0


def test_a_cursor_outlives_the_client_that_opened_it(server: Server, client: Client, thousand: Docs) -> None:
    """MongoDB manual, "Iterate a Cursor": it closes when it is exhausted, idle for 10 minutes, or closed."""
    name = thousand.database.name
    with connect(server.port) as opening:
        cursor_id = ask(opening, {"find": thousand.name, "batchSize": 10, "$db": name})["cursor"]["id"]
    with connect(server.port) as other:
        get_more = {"getMore": bson.Int64(cursor_id), "collection": thousand.name, "batchSize": 1, "$db": name}
        assert ask(other, get_more)["cursor"]["nextBatch"] == [{"_id": 10, "n": 0, "text": "number 10"}]
    thousand.database.command("killCursors", thousand.name, cursors=[cursor_id])
    assert cursors_open(client) == 0


@pytest.mark.parametrize(
    ("options", "returned", "stays_open"),
    [
        ({}, 101, 1),
        ({"batchSize": 0}, 0, 1),
        ({"batchSize": 1}, 1, 1),
        ({"batchSize": 1001}, 1000, 0),
        ({"batchSize": 10, "limit": 10}, 10, 0),
        ({"batchSize": 10, "limit": 20}, 10, 1),
        ({"limit": 101}, 101, 0),
        ({"batchSize": 10, "limit": 50, "singleBatch": True, "sort": {"_id": 1}}, 10, 0),
        ({"batchSize": 1000, "sort": {"n": 1}}, 1000, 0),
    ],
)
def test_a_first_batch_and_whether_its_cursor_stays(
    server: Server, client: Client, thousand: Docs, options: Document, returned: int, stays_open: int
) -> None:
    """A sort in memory is at its end with its last document (`isEOF`); SecantusDB deviates where there is a sort."""
    if server.name == "secantus" and "sort" in options:
        return
    reply = thousand.database.command("find", thousand.name, **options)["cursor"]
    assert (len(reply["firstBatch"]), cursors_open(client), bool(reply["id"])) == (returned, stays_open, stays_open)
    assert reply["ns"] == f"{thousand.database.name}.{thousand.name}"
    thousand.database.command("killCursors", thousand.name, cursors=[reply["id"]])


def test_a_full_batch_keeps_its_cursor_although_nothing_follows(client: Client, thousand: Docs) -> None:
    """MongoDB finds the end of a collection scan when asked for one more (`shouldSaveCursor`, find.cpp)."""
    reply = thousand.database.command("find", thousand.name, batchSize=1000)["cursor"]
    assert (len(reply["firstBatch"]), cursors_open(client)) == (1000, 1)
    more = thousand.database.command("getMore", reply["id"], collection=thousand.name)["cursor"]
    assert (more["nextBatch"], more["id"], cursors_open(client)) == ([], 0, 0)


def test_a_batch_stays_below_16_mebibytes(client: Client, db: Data) -> None:
    db.big.insert_many([{"_id": i, "data": b"x" * 6_000_000} for i in range(5)])
    reply = db.command("find", "big")["cursor"]
    assert [d["_id"] for d in reply["firstBatch"]] == [0, 1]
    mores = [db.command("getMore", reply["id"], collection="big")["cursor"]["nextBatch"] for _ in range(2)]
    assert [[d["_id"] for d in more] for more in mores] == [[2, 3], [4]]
    assert cursors_open(client) == 0


def test_a_killed_cursor_is_not_found(thousand: Docs) -> None:
    cursor = thousand.find(batch_size=10)
    next(cursor)
    cursor_id = cursor.cursor_id
    reply = thousand.database.command("killCursors", thousand.name, cursors=[cursor_id, bson.Int64(12345)])
    assert (reply["cursorsKilled"], reply["cursorsNotFound"]) == ([cursor_id], [12345])
    assert (reply["cursorsAlive"], reply["cursorsUnknown"]) == ([], [])
    with pytest.raises(CursorNotFound) as caught:
        list(cursor)
    assert (caught.value.code, (caught.value.details or {})["codeName"]) == (43, "CursorNotFound")


def test_get_more_belongs_to_the_namespace_and_the_session_of_its_cursor(embedded: Server) -> None:
    """Manual, "getMore", Sessions; `run_getmore` in getmore_cmd.cpp. SecantusDB deviates in both."""
    one, two = ({"lsid": {"id": bson.Binary(bytes([n]) * 16, 4)}} for n in (1, 2))
    with connect(embedded.port) as connection:
        ask(connection, {"insert": "c", "documents": [{"_id": i} for i in range(9)], "$db": "sessions"})

        def code(find: Document, more: Document) -> int | None:
            opened = ask(connection, {"find": "c", "batchSize": 1, "$db": "sessions", **find})["cursor"]["id"]
            return ask(connection, {"getMore": opened, "collection": "c", "$db": "sessions", **more}).get("code")

        tries: list[tuple[Document, Document]] = [({}, {}), (one, one), ({}, one), (one, {}), (one, two)]
        assert [code(*pair) for pair in tries] == [None, None, 50736, 50737, 50738]
        assert code({}, {"collection": "other"}) == 13


def test_a_cursor_over_a_dropped_collection_fails(server: Server, client: Client, thousand: Docs) -> None:
    """MongoDB answers QueryPlanKilled and ends the cursor; SecantusDB reads on from its snapshot."""
    cursor = thousand.find(batch_size=10)
    next(cursor)
    thousand.drop()
    if server.name == "embedded":
        assert error_of(lambda: list(cursor)).code == 175
    cursor.close()
    assert cursors_open(client) == 0


def test_a_capped_collection_keeps_the_newest(db: Data) -> None:
    capped = db.create_collection("log", capped=True, size=100_000, max=5)
    capped.insert_many([{"_id": i} for i in range(8)])
    capped.insert_one({"_id": 8})
    assert [d["_id"] for d in capped.find()] == [4, 5, 6, 7, 8]
    assert capped.count_documents({}) == capped.estimated_document_count() == 5
    capped.insert_one({"_id": 0})
    assert [d["_id"] for d in capped.find()] == [5, 6, 7, 8, 0]
    assert capped.options() == {"capped": True, "size": 100_000, "max": 5}


def test_tailable_cursors_stay_open_after_every_document(client: Client, capped: Docs) -> None:
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


def test_a_tailable_cursor_filters_and_projects(server: Server, capped: Docs) -> None:
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


def test_a_tailable_cursor_on_an_empty_collection_is_dead(server: Server, client: Client, db: Data) -> None:
    """MongoDB: `shouldSaveCursor`, SERVER-13955; manual, "Tailable Cursors". SecantusDB keeps it."""
    capped = db.create_collection("log", capped=True, size=100_000)
    cursor = capped.find(cursor_type=CursorType.TAILABLE)
    assert list(cursor) == []
    if server.name == "embedded":
        assert not cursor.alive
    cursor.close()
    assert cursors_open(client) == 0


def test_an_awaiting_cursor_is_woken_by_an_insert(server: Server, client: Client, capped: Docs) -> None:
    """The embedded server is told to wait far longer than the patience: only the insert can end that in time.

    SecantusDB sees the insert when the wait is over (manual, "Tailable Cursors": new data wakes the cursor).
    """
    wait_ms = 200_000 if server.name == "embedded" else 50
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
    reader.join(20)
    assert seen == [3]
    cursor.close()
    assert cursors_open(client) == 0


def test_a_tailable_cursor_that_was_overtaken_fails(server: Server, client: Client, capped: Docs) -> None:
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
