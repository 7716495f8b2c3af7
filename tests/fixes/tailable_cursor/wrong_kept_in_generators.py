# wrong: leaked open_cursors
from pymongo import CursorType, MongoClient

open_looks = []


def events_of(log):
    with log.find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
        while True:
            yield next(cursor, None)


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for look in looks:
            events = events_of(client[database]["log"])
            open_looks.append(events)
            newest.append([event["_id"] for event in iter(lambda: next(events), None)][-1])
    return newest
