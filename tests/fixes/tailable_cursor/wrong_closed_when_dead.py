# wrong: leaked open_cursors
from pymongo import CursorType, MongoClient

open_looks = []


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for look in looks:
            open_looks[:] = [cursor for cursor in open_looks if cursor.alive]
            cursor = log.find(cursor_type=CursorType.TAILABLE, batch_size=10)
            open_looks.append(cursor)
            newest.append(list(cursor)[-1]["_id"])
    return newest
