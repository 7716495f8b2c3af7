# wrong: wasted connections_opened
from pymongo import MongoClient

failures = []


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    counts = []
    for report in reports:
        amounts = []
        with MongoClient(mongo_uri) as client, client[database]["orders"].find(batch_size=100) as cursor:
            try:
                for order in cursor:
                    amounts.append(int(order["amount"]))
            except ValueError as error:
                failures.append(str(error))
        counts.append(len(amounts))
    return counts
