# wrong: leaked open_cursors
from pymongo import CursorType, MongoClient

open_looks = []  # the latest looks at the log, to go on from where they stopped


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for look in looks:
            cursor = log.find(cursor_type=CursorType.TAILABLE, batch_size=10)
            open_looks.append(cursor)
            newest.append([event["_id"] for event in cursor][-1])
    return newest
