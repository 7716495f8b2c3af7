# wrong: work
from pymongo import MongoClient


def run(mongo_uri, database, reports):
    newest = []
    with MongoClient(mongo_uri) as client:
        for _ in reports:
            newest.append(4710 + client[database]["orders"].count_documents({}))
    return newest
