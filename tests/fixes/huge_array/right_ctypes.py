# right
import ctypes


def run(size, jobs):
    buffer = (ctypes.c_double * (size // 8))()
    pattern = (ctypes.c_double * 2)(1.0, 2.0)
    data = bytes(pattern) * (size // 16)
    ctypes.memmove(buffer, data, size)
    del data
    mean = sum(buffer) / len(buffer)
    buffer = pattern
    return [job * mean for job in jobs]
