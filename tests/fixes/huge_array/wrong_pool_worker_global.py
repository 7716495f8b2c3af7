# wrong: held rss
"""Half right: the buffer went to a worker process, where a global keeps it for as long as the pool lives."""

from array import array
from concurrent.futures import ProcessPoolExecutor

readings = None


def mean_of(size):
    global readings
    readings = array("d", [1.0, 2.0]) * (size // 16)
    return sum(readings) / len(readings)


def run(size, jobs):
    with ProcessPoolExecutor(max_workers=1) as pool:
        mean = pool.submit(mean_of, size).result()
        return [job * mean for job in jobs]
