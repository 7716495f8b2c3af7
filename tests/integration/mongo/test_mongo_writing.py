"""What is written to a MongoDB server, embedded and peer: documents and indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bson
import pytest
from pymongo import ASCENDING, DESCENDING, InsertOne, MongoClient, ReturnDocument, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    DuplicateKeyError,
    WriteError,
)

from tests.integration.mongo.servers import Document, Server, cursors_open, error_of, eventually

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database


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
