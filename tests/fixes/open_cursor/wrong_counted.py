# wrong: work
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    with MongoClient(mongo_uri) as client:
        return [client[database]["orders"].count_documents({}) for _ in reports]
