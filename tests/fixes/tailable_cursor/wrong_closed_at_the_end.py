# wrong: held open_cursors
from contextlib import ExitStack

from pymongo import CursorType, MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client, ExitStack() as stack:
        log = client[database]["log"]
        for look in looks:
            cursor = stack.enter_context(log.find(cursor_type=CursorType.TAILABLE, batch_size=10))
            newest.append([event["_id"] for event in cursor][-1])
    return newest
