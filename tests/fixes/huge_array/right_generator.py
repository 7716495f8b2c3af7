# right
from itertools import cycle, islice


def readings(size):
    yield from islice(cycle([1.0, 2.0]), size // 8)


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    mean = sum(readings(size)) / (size // 8)
    return [job * mean for job in jobs]
