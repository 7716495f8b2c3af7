# right
from contextlib import ExitStack

from pymongo import DESCENDING, MongoClient

client = None


def newest_of(orders):
    with ExitStack() as stack:
        cursor = stack.enter_context(orders.find(batch_size=10).sort("_id", DESCENDING))
        for order in cursor:
            return order["_id"]


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    global client
    client = MongoClient(mongo_uri)
    return [newest_of(client[database]["orders"]) for _ in reports]
