# either: held open_cursors
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
            open_reports.append(cursor)
            newest.append(next(cursor)["_id"])
    return newest
