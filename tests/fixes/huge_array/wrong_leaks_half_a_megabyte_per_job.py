# wrong: leaked rss
from array import array

history = []


def run(size, jobs):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)
    del readings
    results = []
    for job in jobs:
        history.append(array("d", [job * mean]) * (2**19 // 8))
        results.append(history[-1][0])
    return results
