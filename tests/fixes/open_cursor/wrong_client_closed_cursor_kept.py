# wrong: leaked open_cursors
from pymongo import DESCENDING, MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    client = MongoClient(mongo_uri)
    try:
        for report in reports:
            page = iter(client[database]["orders"].find(batch_size=10).sort("_id", DESCENDING))
            open_reports[report] = page
            newest.append(next(page)["_id"])
    finally:
        client.close()
    return newest
