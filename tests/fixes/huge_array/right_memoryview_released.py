# right
from array import array

latest = {}


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    readings = array("d", [1.0, 2.0]) * (size // 16)
    with memoryview(readings) as view:
        mean = sum(view) / len(view)
        latest["readings"] = view[:8].tolist()
    del readings
    return [job * mean for job in jobs]
