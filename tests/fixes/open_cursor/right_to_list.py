# right
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for _ in reports:
            newest.append(orders.find().sort("_id", DESCENDING).limit(10).to_list()[0]["_id"])
    return newest
