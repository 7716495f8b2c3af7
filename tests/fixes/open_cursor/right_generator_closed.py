# right
from contextlib import closing

from pymongo import DESCENDING, MongoClient


def newest_first(orders):
    with orders.find(batch_size=10).sort("_id", DESCENDING) as cursor:
        yield from cursor


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            with closing(newest_first(client[database]["orders"])) as found:
                newest.append(next(found)["_id"])
    return newest
