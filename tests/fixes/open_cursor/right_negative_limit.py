# right
from pymongo import DESCENDING, MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for report in reports:
            open_reports[report] = orders.find(limit=-10, sort=[("_id", DESCENDING)])
            newest.append(open_reports[report].next()["_id"])
    return newest
