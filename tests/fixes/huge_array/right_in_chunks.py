# right
from array import array

CHUNK = 2**20


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    total, count = 0.0, 0
    left = size
    while left > 0:
        readings = array("d", [1.0, 2.0]) * (min(left, CHUNK) // 16)
        total += sum(readings)
        count += len(readings)
        left -= CHUNK
    mean = total / count
    return [job * mean for job in jobs]
