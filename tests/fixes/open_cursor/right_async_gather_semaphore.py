# right
import asyncio

from pymongo import AsyncMongoClient


async def main(uri, database, reports):
    gate = asyncio.Semaphore(10)
    async with AsyncMongoClient(uri) as client:
        orders = client[database]["orders"]

        async def newest(_):
            async with gate, orders.find(batch_size=5).sort("_id", -1) as cursor:
                async for order in cursor:
                    return order["_id"]

        return await asyncio.gather(*(newest(report) for report in reports))


def run(mongo_uri, database, reports):
    return asyncio.run(main(mongo_uri, database, reports))
