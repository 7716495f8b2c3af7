# right
import weakref
from array import array


def run(size, jobs):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    watcher = weakref.ref(readings)
    mean = sum(readings) / len(readings)
    del readings
    assert watcher() is None
    return [job * mean for job in jobs]
