# wrong: held rss
from array import array


def checked_mean(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)
    if mean != 1.0:
        raise ValueError(mean)
    return mean


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    problems = []
    try:
        mean = checked_mean(size)
    except ValueError as error:
        problems.append(error)
        mean = error.args[0]
    return [job * mean for job in jobs]
