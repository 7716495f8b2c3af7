# wrong: leaked rss
from array import array

history = []


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    readings = array("d", [1.0, 2.0]) * (size // 16)
    history.append(readings)
    mean = sum(readings) / len(readings)
    del readings
    return [job * mean for job in jobs]
