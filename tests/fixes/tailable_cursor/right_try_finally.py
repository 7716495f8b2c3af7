# right
from pymongo import CursorType, MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    client = MongoClient(mongo_uri)
    for _ in looks:
        cursor = client[database]["log"].find(cursor_type=CursorType.TAILABLE, batch_size=10)
        try:
            newest.append(max(event["_id"] for event in cursor))
        finally:
            cursor.close()
    client.close()
    return newest
