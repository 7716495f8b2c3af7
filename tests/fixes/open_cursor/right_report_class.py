# right
from pymongo import MongoClient

open_reports = {}


class Report:
    def __init__(self, orders):
        self.cursor = orders.find(batch_size=10).sort("_id", -1)

    def __enter__(self):
        self.first = next(self.cursor)["_id"]
        return self

    def __exit__(self, *exc):
        self.cursor.close()
        del self.cursor


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        for report in reports:
            with Report(client[database]["orders"]) as opened:
                newest.append(opened.first)
            open_reports[report] = opened
    return newest
