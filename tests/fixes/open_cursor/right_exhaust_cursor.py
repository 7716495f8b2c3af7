# right
from pymongo import CursorType, MongoClient


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            with client[database].orders.find(cursor_type=CursorType.EXHAUST, batch_size=100).sort("_id", -1) as cursor:
                newest.append(list(cursor)[0]["_id"])
    return newest
