# wrong: held open_cursors
from contextlib import ExitStack

from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    print("reports:", *reports)
    newest = []
    with MongoClient(mongo_uri) as client, ExitStack() as stack:
        for _ in reports:
            cursor = stack.enter_context(client[database].orders.find(batch_size=10).sort("_id", DESCENDING))
            newest.append(next(cursor)["_id"])
    return newest
