# right
from contextlib import closing

from pymongo import MongoClient

failures = []


def amounts_of(orders):
    with orders.find(batch_size=100) as cursor:
        for order in cursor:
            yield int(order["amount"])


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            done = 0
            with closing(amounts_of(client[database]["orders"])) as amounts:
                try:
                    for _ in amounts:
                        done += 1
                except ValueError as error:
                    failures.append(error)
            counts.append(done)
    return counts
