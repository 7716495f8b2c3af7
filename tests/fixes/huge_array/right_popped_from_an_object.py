# right
from array import array
from dataclasses import dataclass, field


@dataclass
class Station:
    readings: array = field(default_factory=lambda: array("d"))

    def measure(self, size):
        self.readings = array("d", [1.0, 2.0]) * (size // 16)

    def mean(self):
        return sum(self.readings) / len(self.readings)

    def forget(self):
        self.readings = array("d")


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    station = Station()
    station.measure(size)
    mean = station.mean()
    station.forget()
    return [job * mean for job in jobs]
