# wrong: leaked open_cursors
from pymongo import CursorType, MongoClient

open_looks = []


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    newest = []
    client = MongoClient(mongo_uri)
    try:
        for look in looks:
            cursor = client[database]["log"].find(cursor_type=CursorType.TAILABLE)
            open_looks.append((look, cursor))
            newest.append(cursor.to_list()[-1]["_id"])
    finally:
        client.close()
    return newest
