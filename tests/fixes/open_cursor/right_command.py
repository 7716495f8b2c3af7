# right
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            reply = client[database].command("find", "orders", sort={"_id": -1}, limit=1, singleBatch=True)
            newest.append(reply["cursor"]["firstBatch"][0]["_id"])
    return newest
