# wrong: work
from pymongo import MongoClient

failures = []


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            done = 0
            for order in client[database]["orders"].find(batch_size=100):
                try:
                    int(order["amount"])
                    done += 1
                except ValueError as error:
                    failures.append(str(error))
            counts.append(done)
    return counts
