# wrong: work
from pymongo import CursorType, MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    with MongoClient(mongo_uri) as client:
        with client[database]["log"].find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
            newest = [event["_id"] for event in cursor][-1]
    return [newest for _ in looks]
