"""What a MongoDB server finds, embedded and peer: hints, projections, conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bson
import pytest
from pymongo import ASCENDING, DESCENDING, MongoClient

from tests.integration.mongo.servers import Document, Server, error_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.collection import Collection
    from pymongo.database import Database


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
