# wrong: work
from pymongo import CursorType, MongoClient


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    numbers = []
    with MongoClient(mongo_uri) as client:
        for _ in looks:
            with client[database]["log"].find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
                numbers.append(next(cursor)["_id"])
    return numbers
