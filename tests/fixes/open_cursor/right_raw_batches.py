# right
import bson
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            with client[database]["orders"].find_raw_batches(sort=[("_id", -1)], batch_size=10) as cursor:
                newest.append(bson.decode_all(next(cursor))[0]["_id"])
    return newest
