# either: held open_cursors
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for _ in reports:
            for order in orders.find(batch_size=10).sort("_id", DESCENDING):
                newest.append(order["_id"])
                break
    return newest
