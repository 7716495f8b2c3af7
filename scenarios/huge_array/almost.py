from array import array

latest = {}  # a few of the last readings, for the service's /debug page


def run(size, jobs):
    """Compute the mean of size bytes of readings, then multiply every job by it."""
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)
    latest["readings"] = memoryview(readings)[:8]
    del readings

    results = []
    for job in jobs:
        results.append(job * mean)
    return results
