# wrong: work
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            client[database]["orders"].find_one()
            newest.append(5710)
    return newest
