# wrong: held open_cursors
from contextlib import ExitStack

from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    todo = list(reports)
    with MongoClient(mongo_uri) as client, ExitStack() as stack:
        orders = client[database]["orders"]
        for _ in todo:
            cursor = stack.enter_context(orders.find(batch_size=10).sort("_id", DESCENDING))
            newest.append(next(cursor)["_id"])
    return newest
