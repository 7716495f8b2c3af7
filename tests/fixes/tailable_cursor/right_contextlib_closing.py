# right
from contextlib import closing

from pymongo import CursorType, MongoClient


def newest_of(log):
    with closing(log.find(cursor_type=CursorType.TAILABLE, batch_size=5)) as cursor:
        *_, last = cursor
    return last["_id"]


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    with closing(MongoClient(mongo_uri)) as client:
        return [newest_of(client[database]["log"]) for _ in looks]
