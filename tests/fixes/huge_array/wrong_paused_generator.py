# wrong: held rss
from array import array


def means(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    yield sum(readings) / len(readings)
    readings = None


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    found = means(size)
    mean = next(found)
    return [job * mean for job in jobs]
