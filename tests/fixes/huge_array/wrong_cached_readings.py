# wrong: leaked rss
from array import array
from functools import lru_cache


@lru_cache(maxsize=1)
def readings_of(size):
    return array("d", [1.0, 2.0]) * (size // 16)


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    mean = sum(readings_of(size)) / len(readings_of(size))
    return [job * mean for job in jobs]
