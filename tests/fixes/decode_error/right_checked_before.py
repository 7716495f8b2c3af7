# right
from pymongo import MongoClient

bad_orders = []


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            amounts = []
            with client[database]["orders"].find(batch_size=100) as cursor:
                for order in cursor:
                    if not isinstance(order["amount"], int):
                        bad_orders.append(order["_id"])
                        break
                    amounts.append(order["amount"])
            counts.append(len(amounts))
    return counts
