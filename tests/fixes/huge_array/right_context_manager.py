# right
from array import array
from contextlib import contextmanager


@contextmanager
def readings_of(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    try:
        yield readings
    finally:
        readings[:] = array("d")


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    with readings_of(size) as readings:
        mean = sum(readings) / len(readings)
    return [job * mean for job in jobs]
