# right
from pymongo import MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            cursor = client[database]["orders"].aggregate([{"$sort": {"_id": -1}}, {"$limit": 1}])
            open_reports[report] = cursor
            newest.append(cursor.next()["_id"])
    return newest
