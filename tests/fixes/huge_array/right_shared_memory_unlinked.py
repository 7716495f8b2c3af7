# right
from multiprocessing.shared_memory import SharedMemory
from struct import pack


def run(size, jobs):
    shm = SharedMemory(create=True, size=size)
    try:
        shm.buf[:size] = pack("2d", 1.0, 2.0) * (size // 16)
        with shm.buf[:size] as part, part.cast("d") as values:
            mean = sum(values) / len(values)
    finally:
        shm.close()
        shm.unlink()
    return [job * mean for job in jobs]
