# wrong: held rss
from array import array


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)
    results = [job * mean for job in jobs]
    del readings
    return results
