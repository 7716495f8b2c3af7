# right
from pymongo import CursorType, MongoClient

open_looks = {}


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for look in looks:
            tail = log.find(cursor_type=CursorType.TAILABLE_AWAIT, batch_size=10).max_await_time_ms(1)
            with tail as cursor:
                while (event := next(cursor, None)) is not None:
                    open_looks[look] = event["_id"]
            newest.append(open_looks[look])
    return newest
