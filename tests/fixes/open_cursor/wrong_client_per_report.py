# wrong: wasted connections_opened
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    for _ in reports:
        with MongoClient(mongo_uri) as client:
            newest.append(client[database]["orders"].find_one(sort=[("_id", DESCENDING)])["_id"])
    return newest
