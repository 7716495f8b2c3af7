# right
import mmap
from zlib import crc32


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    with mmap.mmap(-1, size // len(page) * len(page)) as buffer:
        for _ in range(size // len(page)):
            buffer.write(page.encode())
        with memoryview(buffer) as pages:
            checksum = crc32(pages)
    return [f"{checksum:08x}-{job}" for job in jobs]
