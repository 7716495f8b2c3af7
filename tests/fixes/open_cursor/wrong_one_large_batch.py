# wrong: leaked rss
from pymongo import DESCENDING, MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for report in reports:
            cursor = orders.find({}, {"_id": 1}, batch_size=5000).sort("_id", DESCENDING)
            open_reports[report] = cursor
            newest.append(next(cursor)["_id"])
    return newest
