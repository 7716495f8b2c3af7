# wrong: held rss
from array import array


def weigher(size):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)

    def weigh(job):
        return job * mean if len(readings) else job

    return weigh


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    weigh = weigher(size)
    return [weigh(job) for job in jobs]
