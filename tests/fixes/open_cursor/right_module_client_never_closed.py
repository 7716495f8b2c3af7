# right
from pymongo import MongoClient

clients = {}
open_reports = {}


def client_for(uri):
    if uri not in clients:
        clients[uri] = MongoClient(uri, maxPoolSize=5)
    return clients[uri]


def run(mongo_uri, database, reports):
    orders = client_for(mongo_uri)[database]["orders"]
    newest = []
    for report in reports:
        order = orders.find_one({}, sort=[("_id", -1)])
        open_reports[report] = order["_id"]
        newest.append(order["_id"])
    return newest
