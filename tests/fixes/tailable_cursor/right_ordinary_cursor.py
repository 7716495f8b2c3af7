# right
from pymongo import MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        return [list(log.find(batch_size=10))[-1]["_id"] for _ in looks]
