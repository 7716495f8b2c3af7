# right
from contextlib import ExitStack

from pymongo import MongoClient

failures = []


def read(orders):
    amounts = []
    with ExitStack() as stack:
        cursor = orders.find(batch_size=100)
        stack.callback(cursor.close)
        try:
            amounts.extend(int(order["amount"]) for order in cursor)
        except ValueError as error:
            failures.append(error.with_traceback(None))
    return amounts


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    with MongoClient(mongo_uri) as client:
        return [len(read(client[database]["orders"])) for _ in reports]
