# right
import mmap
from array import array


def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    two = array("d", [1.0, 2.0]).tobytes()
    with mmap.mmap(-1, size) as buffer:
        buffer.write(two * (size // 16))
        with memoryview(buffer) as view, view.cast("d") as readings:
            mean = sum(readings) / len(readings)
    return [job * mean for job in jobs]
