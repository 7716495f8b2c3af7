# wrong: leaked open_cursors
from itertools import islice

from pymongo import DESCENDING, MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            cursor = client[database]["orders"].find(batch_size=10).sort("_id", DESCENDING)
            open_reports[report] = cursor
            newest.append(list(islice(cursor, 30))[0]["_id"])
    return newest
