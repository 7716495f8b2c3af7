# wrong: leaked open_cursors
from pymongo import MongoClient

failures = {}


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            cursor = client[database]["orders"].find(batch_size=100)
            done = 0
            try:
                for order in cursor:
                    int(order["amount"])
                    done += 1
            except ValueError as error:
                failures[report] = str(error), cursor
            counts.append(done)
    return counts
