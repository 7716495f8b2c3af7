# right
from pymongo import MongoClient

NEWEST = [{"$group": {"_id": None, "newest": {"$max": "$_id"}}}]


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            with client[database]["orders"].aggregate(NEWEST) as cursor:
                newest += [group["newest"] for group in cursor]
    return newest
