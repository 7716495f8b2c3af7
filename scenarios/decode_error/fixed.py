from collections import deque

from pymongo import MongoClient

failures = deque(maxlen=10)  # for the service's /debug page


def read(orders, amounts):
    """Add the amount of every order to `amounts`."""
    with orders.find(batch_size=100) as cursor:
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
            except ValueError as error:  # a bad order must not stop the other reports
                failures.append(str(error))
            counts.append(len(amounts))
    return counts
