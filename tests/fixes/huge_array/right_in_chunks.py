# right
from zlib import crc32

CHUNK = 2**20


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    checksum = 0
    left = size // len(page) * len(page)
    while left > 0:
        chunk = bytearray(page.encode()) * (min(left, CHUNK) // len(page))
        checksum = crc32(chunk, checksum)
        left -= len(chunk)
    return [f"{checksum:08x}-{job}" for job in jobs]
