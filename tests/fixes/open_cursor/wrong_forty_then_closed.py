# wrong: held open_cursors
from pymongo import DESCENDING, MongoClient


def run(mongo_uri, database, reports):
    newest, opened = [], []
    with MongoClient(mongo_uri) as client:
        for number in reports:
            cursor = client[database].orders.find(batch_size=10).sort("_id", DESCENDING)
            newest.append(next(cursor)["_id"])
            opened.append(cursor)
            if number >= len(reports) * 0.8:
                while opened:
                    opened.pop().close()
    return newest
