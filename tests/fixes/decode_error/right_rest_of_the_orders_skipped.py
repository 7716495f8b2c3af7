# right
from pymongo import MongoClient

failures = []


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            good, is_broken = 0, False
            for order in client[database]["orders"].find(batch_size=100):
                try:
                    int(order["amount"])
                    good += not is_broken
                except ValueError as error:
                    failures.append(error)
                    is_broken = True
            counts.append(good)
    return counts
