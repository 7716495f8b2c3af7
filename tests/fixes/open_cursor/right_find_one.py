# right
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        return [orders.find_one(sort=[("_id", DESCENDING)])["_id"] for _ in reports]
