"""Commands of a MongoDB server, embedded and peer: collections, wrong commands, handshakes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import bson
import pytest
from pymongo import MongoClient, UpdateOne
from pymongo.errors import (
    CollectionInvalid,
    OperationFailure,
    WriteError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tests.integration.mongo.servers import Document, Server, cursors_open, error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.collection import Collection
    from pymongo.database import Database


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
