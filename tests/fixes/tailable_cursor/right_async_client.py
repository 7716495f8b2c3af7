# right
import asyncio

from pymongo import AsyncMongoClient, CursorType


async def look_at(mongo_uri, database, looks):
    newest = []
    async with AsyncMongoClient(mongo_uri) as client:
        log = client[database]["log"]
        for _ in looks:
            async with log.find(cursor_type=CursorType.TAILABLE, batch_size=10) as cursor:
                newest.append([event["_id"] async for event in cursor][-1])
    return newest


def run(mongo_uri, database, looks):
    """Return the number of the newest event in the log, once for every look."""
    return asyncio.run(look_at(mongo_uri, database, looks))
