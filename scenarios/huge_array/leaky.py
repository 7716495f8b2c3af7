from array import array


def run(size, jobs):
    """Compute the mean of size bytes of readings, then multiply every job by it."""
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)

    results = []
    for job in jobs:
        results.append(job * mean)
    return results
