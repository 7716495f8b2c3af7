# wrong: work
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for _ in reports:
            newest.append(orders.find_one(sort=[("_id", -1)])["_id"])
        client.drop_database(database)
    return newest
