"""What a MongoDB server counts and aggregates, embedded and peer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pymongo import MongoClient

from tests.integration.mongo.servers import Document, Server, error_of

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database


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
