# right
from pymongo import MongoClient

failures = {}


def count(orders):
    done = 0
    cursor = orders.find(batch_size=100)
    try:
        for order in cursor:
            int(order["amount"])
            done += 1
    except ValueError as error:
        failures[order["_id"]] = repr(error)
    finally:
        cursor.close()
    return done


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    with MongoClient(mongo_uri) as client:
        return [count(client[database]["orders"]) for _ in reports]
