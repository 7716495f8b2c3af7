# right
from pymongo import CursorType, MongoClient

places = []


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    with MongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for _ in looks:
            with log.find(cursor_type=CursorType.TAILABLE) as cursor:
                for event in cursor:
                    last = event["_id"]
            places.append(last)
    return places
