# wrong: leaked open_cursors
from pymongo import CursorType, MongoClient

open_looks = []


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for number, look in enumerate(looks):
            cursor = log.find(cursor_type=CursorType.TAILABLE, batch_size=10)
            newest.append([event["_id"] for event in cursor][-1])
            if number % 2:
                cursor.close()
            else:
                open_looks.append(cursor)
    return newest
