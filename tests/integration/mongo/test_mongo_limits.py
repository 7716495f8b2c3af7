"""What the embedded MongoDB server refuses by name, and what it breaks off so that other clients are served."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import bson
import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from tests.integration.mongo.servers import PATIENCE_S, Client, Docs, Document, Server, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


EVIL = "^(a+)+$"


@pytest.fixture
def c(embedded: Server) -> Iterator[Docs]:
    with Client(embedded.uri) as client:
        client.limits.c.insert_many(
            [{"_id": 1, "name": "a" * 34 + "!", "names": ["a" * 34 + "!"], "a": [1]}, {"_id": 2, "a": [3, 4], "n": 7}]
        )
        yield client.limits.c
        client.drop_database("limits")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ({"xyz": 1}, "xyz"),
        *(({"find": "c", field: {"x": 1}}, f"find.{field}") for field in ("collation", "let", "min", "max", "hint")),
        ({"find": "c", "batchsize": 10}, "find.batchsize"),
        ({"find": "c", "filter": {"$where": "true"}}, "$where"),
        ({"find": "c", "filter": {"n": {"$bitsAllSet": 1}}}, "$bitsAllSet"),
        ({"find": "c", "projection": {"x": "$n"}}, "$n"),
        ({"find": "c", "projection": {"a.$": 1}}, "a.$"),
        ({"aggregate": 1, "pipeline": [], "cursor": {}}, "aggregate on a database"),
        *(
            ({"aggregate": "c", "pipeline": [stage], "cursor": {}}, name)
            for name, stage in {
                "$out": {"$out": "o"},
                "$unionWith": {"$unionWith": "o"},
                "pipeline": {"$lookup": {"from": "c", "pipeline": [], "as": "j"}},
                "$stdDevPop": {"$group": {"_id": 1, "x": {"$stdDevPop": "$n"}}},
            }.items()
        ),
        ({"update": "c", "updates": [{"q": {}, "u": {"$mul": {"n": 2}}}]}, "$mul"),
        ({"update": "c", "updates": [{"q": {}, "u": [{"$set": {"n": 2}}]}]}, "pipeline"),
        ({"update": "c", "updates": [{"q": {}, "u": {}, "arrayFilters": [{"e": 1}]}]}, "updates.arrayFilters"),
        ({"update": "c", "updates": [{"q": {"$and": [{"m": 6}]}, "u": {"$set": {"x": 1}}, "upsert": True}]}, "$and"),
        ({"delete": "c", "deletes": [{"q": {}, "limit": 1, "collation": {"locale": "de"}}]}, "deletes.collation"),
        ({"create": "v", "viewOn": "c", "pipeline": []}, "create.viewOn"),
        ({"createIndexes": "c", "indexes": [{"key": {"n": 1}, "name": "t"}]}, "createIndexes"),
        ({"findAndModify": "c", "query": {}, "remove": True}, "findAndModify"),
        ({"listCollections": 1, "filter": {"name": {"$regex": "^c"}}}, "$regex"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_not_supported_is_refused_by_name(c: Docs, command: Document, named: str) -> None:
    reply = c.database.command(command, check=False)
    error = reply.get("writeErrors", [reply])[0]
    assert error["code"] == 238
    assert named in error["errmsg"]
    assert "use --mongo URI" in error["errmsg"]


@pytest.mark.parametrize(
    "query",
    [
        lambda c: list(c.find({"name": {"$regex": EVIL}})),
        lambda c: list(c.find({"name": bson.Regex(EVIL)})),
        lambda c: list(c.aggregate([{"$match": {"name": {"$regex": EVIL}}}])),
        lambda c: list(c.aggregate([{"$project": {"m": {"$regexMatch": {"input": "$name", "regex": EVIL}}}}])),
        lambda c: c.distinct("name", {"name": {"$regex": EVIL}}),
        lambda c: c.update_many({"name": bson.Regex(EVIL)}, {"$set": {"seen": 1}}),
        lambda c: c.delete_one({"name": {"$regex": EVIL}}),
        lambda c: c.update_many({}, {"$set": {"n": 8}, "$pull": {"names": {"$regex": EVIL}}}),
        lambda c: c.update_many({}, {"$set": {"a.20000000": 1}}),
    ],
    ids=["find", "Regex", "match", "regexMatch", "distinct", "update", "delete", "pull", "padding"],
)
def test_no_query_keeps_another_client_waiting(embedded: Server, c: Docs, query: Callable[[Docs], Any]) -> None:
    """Each would take years, or all the memory: it gets an error, and the data stay as they were."""
    before = list(c.find())
    errors: list[OperationFailure] = []
    offender = threading.Thread(target=lambda: errors.append(error_of(lambda: query(c))))
    offender.start()
    with Client(embedded.uri, timeoutMS=int(PATIENCE_S * 1000)) as other:
        while offender.is_alive():
            assert other.limits.c.count_documents({"n": 7}) == 1
    offender.join()
    assert [error.code in (50, 238) for error in errors] == [True]
    assert list(c.find()) == list(c.find({"_id": {"$gt": 0}})) == before


def test_an_expensive_write_of_many_documents_is_put_back(c: Docs) -> None:
    """What it changed before it was broken off is as it was before."""
    c.delete_many({})
    c.insert_many([{"_id": i, "k": i, "a": []} for i in range(300)])
    before = list(c.find())
    assert error_of(lambda: c.update_many({}, {"$set": {"a.900000": 1}})).code == 50
    assert list(c.find()) == list(c.find({"_id": {"$gte": 0}})) == before


def test_a_large_batch_is_written_in_turn_with_other_clients(embedded: Server, c: Docs) -> None:
    documents = [{"_id": i} for i in range(100, 30_000)]
    writer = threading.Thread(target=lambda: c.insert_many(documents))
    answers = 0
    with Client(embedded.uri) as other:
        # To connect may take as long as the whole batch.
        other.admin.command("ping")
        writer.start()
        while writer.is_alive():
            answers += other.admin.command("ping")["ok"] == 1.0
    writer.join()
    assert answers > 1
    assert c.estimated_document_count() == 2 + len(documents)


def test_what_cannot_be_interrupted_is_bounded(c: Docs) -> None:
    nested: Document = {}
    for _ in range(250):
        nested = {"a": nested}
    assert error_of(lambda: c.database.command("insert", "c", documents=[nested])).code == 15
    growing = [{"$set": {"n": {"$multiply": ["$n", "$n"]}}}] * 40
    assert error_of(lambda: list(c.aggregate(growing))).code == 238
    c.insert_one({"_id": 3, "long": "a" * 40_000})
    assert error_of(lambda: list(c.find({"long": {"$regex": "a*b"}}))).code == 238
    with pytest.raises(BulkWriteError):
        c.insert_many([{"_id": 4, "d": [None] * 1_900_000}])
    assert c.count_documents({}) == 3
