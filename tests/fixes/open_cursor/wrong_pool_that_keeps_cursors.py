# wrong: leaked open_cursors
from concurrent.futures import ThreadPoolExecutor

from pymongo import DESCENDING, MongoClient

open_reports = {}


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    with MongoClient(mongo_uri) as client, ThreadPoolExecutor(4) as pool:

        def newest(report):
            cursor = client[database]["orders"].find(batch_size=10).sort("_id", DESCENDING)
            open_reports[report] = cursor
            return next(cursor)["_id"]

        return list(pool.map(newest, reports))
