# right
from contextlib import closing

from pymongo import CursorType, MongoClient


def events_of(log):
    with log.find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
        while cursor.alive:
            event = next(cursor, None)
            if event is None:
                return
            yield event


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in looks:
            with closing(events_of(client[database]["log"])) as events:
                newest.append([event["_id"] for event in events].pop())
    return newest
