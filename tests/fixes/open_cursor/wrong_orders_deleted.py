# wrong: work
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for _ in reports:
            cursor = orders.find(batch_size=10).sort("_id", -1)
            newest.append(next(cursor)["_id"])
            if len(newest) == 1:
                cursor.close()
                orders.delete_many({"_id": {"$lt": newest[0]}})
    return newest
