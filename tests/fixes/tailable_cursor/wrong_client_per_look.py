# wrong: wasted connections_opened
from pymongo import CursorType, MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    for look in looks:
        with MongoClient(mongo_uri) as client:
            with client[database]["log"].find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
                newest.append([event["_id"] for event in cursor][-1])
    return newest
