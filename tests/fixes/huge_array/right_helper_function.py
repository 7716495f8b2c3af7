# right
from array import array


def mean_of_readings(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    return sum(readings) / len(readings)


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    mean = mean_of_readings(size)
    return [job * mean for job in jobs]
