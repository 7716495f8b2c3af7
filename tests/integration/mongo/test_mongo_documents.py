"""What a MongoDB server, embedded and peer, does with collections and documents."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from pymongo import ASCENDING, DESCENDING, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError, CollectionInvalid, DuplicateKeyError, WriteError

from tests.integration.mongo.servers import Client, Data, Docs, Document, Server, cursors_open, error_of, eventually


def test_collections_are_listed_created_and_dropped(client: Client, db: Data) -> None:
    db.create_collection("plain")
    db.create_collection("log", capped=True, size=4096, max=7)
    db.written.insert_one({})
    assert sorted(db.list_collection_names()) == ["log", "plain", "written"]
    (log,) = db.list_collections(filter={"name": "log"})
    assert (log["type"], log["options"]) == ("collection", {"capped": True, "size": 4096, "max": 7})
    with pytest.raises(CollectionInvalid):
        db.create_collection("plain")
    assert error_of(lambda: db.command("create", "plain", capped=True, size=4096)).code == 48
    db.drop_collection("plain")
    db.drop_collection("absent")
    assert "plain" not in db.list_collection_names()
    client.drop_database(db.name)
    assert db.list_collection_names() == []


def test_find_options_of_the_driver(thousand: Docs) -> None:
    def ids(**options: Any) -> list[int]:
        return [d["_id"] for d in thousand.find(**options)]

    assert ids(filter={"n": 7}, limit=3) == ids(filter={"n": 7}, limit=-3) == [7, 17, 27]
    assert ids(filter={"n": 7}, skip=98) == [987, 997]
    assert ids(sort=[("n", DESCENDING), ("_id", ASCENDING)], limit=2) == [9, 19]
    assert ids(filter={"$or": [{"_id": 5}, {"_id": {"$gt": 997}}]}) == [5, 998, 999]
    assert ids(filter={"text": {"$regex": "^NUMBER 99", "$options": "i"}}, skip=10) == [999]
    assert ids(filter={"absent": 1}) == []
    assert ids(batch_size=7, limit=50, skip=3) == list(range(3, 53))
    assert list(thousand.find({"_id": 1}, {"n": 1})) == [{"_id": 1, "n": 1}]
    assert list(thousand.find({"_id": 1}, {"_id": 0, "text": 0})) == [{"n": 1}]
    assert thousand.find_one({"_id": -1}) is None


def test_count_distinct_and_aggregate(thousand: Docs) -> None:
    assert thousand.estimated_document_count() == 1000
    assert thousand.count_documents({"n": {"$gte": 5}}) == 500
    assert thousand.count_documents({"n": 5}, skip=10, limit=20) == 20
    assert thousand.database.command("count", thousand.name, query={"n": 5}, skip=95)["n"] == 5
    assert sorted(thousand.distinct("n", {"_id": {"$lt": 4}})) == [0, 1, 2, 3]
    pipeline: list[Document] = [
        {"$match": {"n": {"$lt": 3}}},
        {"$group": {"_id": "$n", "sum": {"$sum": "$_id"}}},
        {"$sort": {"_id": -1}},
        {"$limit": 1},
    ]
    assert list(thousand.aggregate(pipeline)) == [{"_id": 2, "sum": sum(range(2, 1000, 10))}]
    assert list(thousand.aggregate([{"$match": {"n": 1}}, {"$count": "n"}])) == [{"n": 100}]
    nothing = {"$match": {"_id": -1}}
    assert list(thousand.aggregate([nothing, {"$group": {"_id": "$n", "newest": {"$max": "$_id"}}}])) == []


def test_an_absent_collection_is_empty(client: Client, db: Data) -> None:
    assert list(db.absent.find({"a": 1}, {"b": 1})) == list(db.absent.aggregate([{"$match": {"a": 1}}])) == []
    assert db.absent.count_documents({}) == db.absent.estimated_document_count() == 0
    assert db.absent.distinct("a") == []
    assert db.absent.delete_many({}).deleted_count == 0
    assert (db.list_collection_names(), cursors_open(client)) == ([], 0)


def test_a_duplicate_key_ends_an_ordered_insert(db: Data) -> None:
    db.c.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        db.c.insert_one({"_id": 1})
    documents = [{"_id": 2}, {"_id": 1}, {"_id": 3}]
    with pytest.raises(BulkWriteError) as bulk:
        db.c.insert_many(documents)
    assert bulk.value.details["nInserted"] == 1
    assert [(e["index"], e["code"]) for e in bulk.value.details["writeErrors"]] == [(1, 11000)]
    with pytest.raises(BulkWriteError) as bulk:
        db.c.insert_many(documents, ordered=False)
    assert bulk.value.details["nInserted"] == 1
    assert sorted(d["_id"] for d in db.c.find()) == [1, 2, 3]


def test_updates_and_deletes(thousand: Docs) -> None:
    one = thousand.update_one({"_id": 1}, {"$set": {"n": 42}, "$inc": {"seen": 1}})
    assert (one.matched_count, one.modified_count) == (1, 1)
    assert thousand.find_one({"n": 42}) == {"_id": 1, "n": 42, "text": "number 1", "seen": 1}
    many = thousand.update_many({"n": 3}, {"$set": {"n": 42}})
    assert (many.matched_count, many.modified_count) == (100, 100)
    change = {"$set": {"n": 1}, "$setOnInsert": {"w": 2}}
    upserted = thousand.update_one({"_id": 5000, "sub.x": 4, "n": {"$gt": 5}}, change, upsert=True)
    assert (upserted.upserted_id, upserted.matched_count) == (5000, 0)
    assert thousand.find_one({"_id": 5000}) == {"_id": 5000, "sub": {"x": 4}, "n": 1, "w": 2}
    assert thousand.replace_one({"_id": 5000}, {"only": True}).modified_count == 1
    assert thousand.find_one({"_id": 5000}) == {"_id": 5000, "only": True}
    with pytest.raises(WriteError) as caught:
        thousand.replace_one({"_id": 5000}, {"_id": 7})
    assert caught.value.code == 66
    assert thousand.delete_one({"n": 42}).deleted_count == 1
    assert thousand.delete_many({"n": 42}).deleted_count == 100
    assert thousand.count_documents({}) == 900
    result = thousand.bulk_write([InsertOne({"_id": -1}), UpdateOne({"_id": -1}, {"$set": {"a": 1}})])
    assert (result.inserted_count, result.modified_count) == (1, 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"$set": {"q": b"x" * 9_000_000}}, 10334),
        ({"$set": {"a": 1}, "$push": {"n": 1}}, 238),
        ({"$inc": {"n": "x"}}, 238),
        ({"$inc": {"n": 2**63 - 1}}, 238),
        ({"$set": {"a": 1, "a.b": 2}}, 40),
        ({"$set": {"n.b": 2}}, 28),
        ({"$set": {"_id": 2}}, 66),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_update_that_fails_leaves_the_document_as_it_was(
    server: Server, db: Data, change: Document, code: int
) -> None:
    """SecantusDB has other codes for some."""
    before = {"_id": 1, "n": 5, "p": b"x" * 9_000_000}
    db.c.insert_one(dict(before))
    reply = db.command("update", "c", updates=[{"q": {"_id": 1}, "u": change}], check=False)
    if server.name == "embedded":
        assert [e["code"] for e in reply["writeErrors"]] == [code]
        assert list(db.c.find({"n": 5})) == list(db.c.find()) == [before]


def test_every_bson_type_survives_an_unacknowledged_write(db: Data) -> None:
    document: Document = {
        "_id": bson.ObjectId(), "double": 1.0, "long": bson.Int64(1), "int": 1, "decimal": bson.Decimal128("1.50"),
        "binary": bson.Binary(b"x", 128), "bytes": b"y", "regex": bson.Regex("^a", "i"),
        "timestamp": bson.Timestamp(7, 1), "code": bson.Code("f()"), "min": bson.MinKey(), "null": None,
        "nested": {"a": [{"b": [True, "ü"]}]},
    }  # fmt: skip
    db.get_collection("c", write_concern=db.write_concern.__class__(w=0)).insert_one(document)
    eventually(lambda: db.c.count_documents({}) == 1)
    found = db.c.find_one()
    assert found == document
    assert bson.encode(found) == bson.encode(document)
