# right
import asyncio
from array import array


def mean_of_readings(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    return sum(readings) / len(readings)


async def weigh(size, jobs):
    mean = await asyncio.to_thread(mean_of_readings, size)
    return [job * mean for job in jobs]


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    return asyncio.run(weigh(size, jobs))
