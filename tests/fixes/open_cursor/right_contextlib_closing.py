# right
from contextlib import closing

from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with closing(MongoClient(mongo_uri)) as client:
        for _ in reports:
            with closing(client[database].orders.find(batch_size=10).sort("_id", DESCENDING)) as cursor:
                newest.append(next(cursor)["_id"])
    return newest
