# wrong: work
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    with MongoClient(mongo_uri) as client:
        return [client[database]["orders"].count_documents({}) // 2 for _ in reports]
