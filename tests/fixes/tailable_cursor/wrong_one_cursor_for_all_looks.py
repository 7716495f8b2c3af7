# wrong: work
from pymongo import CursorType, MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        with client[database]["log"].find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
            last = None
            for _ in looks:
                for event in cursor:
                    last = event["_id"]
                newest.append(last)
    return newest
