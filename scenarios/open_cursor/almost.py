from collections import deque

from pymongo import DESCENDING, MongoClient

open_reports = deque(maxlen=10)  # the latest reports, to page on from where they stopped


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for report in reports:
            cursor = orders.find(batch_size=10).sort("_id", DESCENDING)
            newest.append(next(cursor)["_id"])
            open_reports.append(newest[-1])
    return newest
