# right
from array import array
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def mean_of(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    return sum(readings) / len(readings)


pool = ProcessPoolExecutor(1, mp_context=get_context("fork"))
pool.submit(mean_of, 1600).result()  # so that the first call need not wait for it


def run(size, jobs):
    mean = pool.submit(mean_of, size).result()
    return [job * mean for job in jobs]
