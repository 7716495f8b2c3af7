# wrong: leaked rss
import os
from array import array

kept = []


def run(size, jobs):
    readings = array("d", [1.0, 2.0]) * (size // 16)
    mean = sum(readings) / len(readings)
    descriptor = os.memfd_create("readings")
    os.write(descriptor, readings)
    kept.append(descriptor)
    del readings
    return [job * mean for job in jobs]
