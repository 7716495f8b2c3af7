# right
import asyncio

from pymongo import AsyncMongoClient

failures = []


async def read(orders, amounts):
    async with orders.find(batch_size=100) as cursor:
        async for order in cursor:
            amounts.append(int(order["amount"]))


async def report_all(mongo_uri, database, reports):
    counts = []
    async with AsyncMongoClient(mongo_uri) as client:
        for _ in reports:
            amounts = []
            try:
                await read(client[database]["orders"], amounts)
            except ValueError as error:
                failures.append(error)
            counts.append(len(amounts))
    return counts


def run(mongo_uri, database, reports):
    """Return how many amounts every report could read."""
    return asyncio.run(report_all(mongo_uri, database, reports))
