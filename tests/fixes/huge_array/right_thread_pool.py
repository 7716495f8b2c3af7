# right
from array import array
from concurrent.futures import ThreadPoolExecutor


def mean_of_readings(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    return sum(readings) / len(readings)


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    with ThreadPoolExecutor(1) as pool:
        mean = pool.submit(mean_of_readings, size).result()
    return [job * mean for job in jobs]
