# right
from pymongo import DESCENDING, MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for report in reports:
            with orders.find().sort("_id", DESCENDING) as cursor:
                newest.append(cursor.next()["_id"])
            open_reports[report] = cursor
    return newest
