# wrong: leaked open_cursors
from pymongo import DESCENDING, MongoClient

open_reports = {}


def newest_first(orders):
    with orders.find(batch_size=10).sort("_id", DESCENDING) as cursor:
        yield from cursor


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            pages = open_reports[report] = newest_first(client[database]["orders"])
            newest.append(next(pages)["_id"])
    return newest
