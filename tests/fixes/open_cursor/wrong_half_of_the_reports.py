# wrong: work
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            if report % 2:
                newest.append(client[database]["orders"].find_one(sort=[("_id", DESCENDING)])["_id"])
    return newest
