# wrong: work
from pymongo import MongoClient


def read(orders):
    done = 0
    with orders.find(batch_size=100) as cursor:
        for order in cursor:
            if isinstance(order["amount"], str):
                return done
            done += 1


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    with MongoClient(mongo_uri) as client:
        count = read(client[database]["orders"])
    return [count for _ in reports]
