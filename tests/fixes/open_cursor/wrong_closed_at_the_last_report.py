# wrong: held open_cursors
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest, cursors = [], []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            cursors.append(client[database]["orders"].find(batch_size=10).sort("_id", DESCENDING))
            newest.append(next(cursors[-1])["_id"])
            if len(newest) == len(reports):
                for cursor in cursors:
                    cursor.close()
    return newest
