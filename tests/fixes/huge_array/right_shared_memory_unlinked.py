# right
from multiprocessing.shared_memory import SharedMemory
from zlib import crc32


def run(page, size, jobs):
    size = size // len(page) * len(page)
    shm = SharedMemory(create=True, size=size)
    try:
        shm.buf[:size] = page.encode() * (size // len(page))
        with shm.buf[:size] as pages:
            checksum = crc32(pages)
    finally:
        shm.close()
        shm.unlink()
    return [f"{checksum:08x}-{job}" for job in jobs]
