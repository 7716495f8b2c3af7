# wrong: work
from functools import cache

from pymongo import DESCENDING, MongoClient


@cache
def newest_of(mongo_uri, database):
    with MongoClient(mongo_uri) as client:
        return client[database]["orders"].find_one(sort=[("_id", DESCENDING)])["_id"]


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    return [newest_of(mongo_uri, database) for _ in reports]
