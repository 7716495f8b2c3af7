# right
import asyncio

from pymongo import DESCENDING, MongoClient


async def all_newest(orders, reports):
    newest = []
    for _ in reports:
        order = await asyncio.to_thread(orders.find_one, sort=[("_id", DESCENDING)])
        newest.append(order["_id"])
    return newest


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    with MongoClient(mongo_uri) as client:
        return asyncio.run(all_newest(client[database]["orders"], reports))
