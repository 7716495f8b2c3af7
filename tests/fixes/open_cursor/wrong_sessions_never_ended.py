# wrong: leaked open_sessions
from pymongo import DESCENDING, MongoClient

sessions = []


def run(mongo_uri, database, reports):
    newest = []
    client = MongoClient(mongo_uri)
    for _ in reports:
        session = client.start_session()
        sessions.append(session)
        with client[database].orders.find(session=session).sort("_id", DESCENDING).limit(1) as cursor:
            newest.append(next(cursor)["_id"])
    return newest
