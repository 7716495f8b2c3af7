# right
from array import array


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    readings = array("d", [1.0, 2.0]) * (size // 16)
    try:
        mean = sum(readings) / len(readings)
    finally:
        del readings
    return list(map(lambda job: job * mean, jobs))
