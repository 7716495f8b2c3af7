# wrong: held rss
from array import array


def run(size, jobs):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)
    results = []
    for number, job in enumerate(jobs, 1):
        results.append(job * mean)
        if number == 20:
            del readings
    return results
