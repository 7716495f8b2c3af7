# right
from pymongo import MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for report in reports:
            cursor = open_reports[report] = orders.find({}, {"_id": 1}, batch_size=250)
            newest.append(max(order["_id"] for order in cursor))
    return newest
