# right
from pymongo import MongoClient

failures = []


def read(orders, amounts):
    cursor = orders.find(batch_size=100)
    for order in cursor:
        try:
            amounts.append(int(order["amount"]))
        except ValueError:
            cursor.close()
            raise


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            amounts = []
            try:
                read(client[database]["orders"], amounts)
            except ValueError as error:
                failures.append(error)
            counts.append(len(amounts))
    return counts
