# right
import multiprocessing
from array import array


def mean_of_readings(size, mean):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean.value = sum(readings) / len(readings)


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    fork = multiprocessing.get_context("fork")
    mean = fork.Value("d")
    process = fork.Process(target=mean_of_readings, args=(size, mean))
    process.start()
    process.join()
    return [job * mean.value for job in jobs]
