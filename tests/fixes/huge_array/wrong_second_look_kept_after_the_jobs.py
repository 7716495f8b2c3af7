# wrong: leaked rss
from array import array

debug = {}


def load(size):
    return array("d", [1.0, 2.0]) * (size // 16)


def mean_of(size):
    readings = load(size)
    return sum(readings) / len(readings)


def run(size, jobs):
    mean = mean_of(size)
    results = [job * mean for job in jobs]
    debug["readings"] = load(size)  # what was weighed, for the /debug page
    return results
