# right
from pymongo import MongoClient

open_looks = []


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for _ in looks:
            event = log.find_one(sort=[("$natural", -1)])
            open_looks.append(event["_id"])
            newest.append(event["_id"])
    return newest
