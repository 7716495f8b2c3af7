# right
import asyncio

from pymongo import DESCENDING, AsyncMongoClient


async def all_newest(mongo_uri, database, reports):
    newest = []
    async with AsyncMongoClient(mongo_uri) as client:
        orders = client[database]["orders"]
        for _ in reports:
            async with orders.find(batch_size=10).sort("_id", DESCENDING) as cursor:
                newest.append((await anext(cursor))["_id"])
    return newest


def run(mongo_uri, database, reports):
    """Return the number of the newest order, once for every report."""
    return asyncio.run(all_newest(mongo_uri, database, reports))
