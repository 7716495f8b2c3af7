# wrong: held open_cursors
from pymongo import MongoClient

cursors = []


def read(orders, amounts):
    cursor = orders.find(batch_size=100)
    cursors.append(cursor)
    for order in cursor:
        amounts.append(int(order["amount"]))


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            amounts = []
            try:
                read(client[database]["orders"], amounts)
            except ValueError:
                pass
            counts.append(len(amounts))
        while cursors:
            cursors.pop().close()
    return counts
