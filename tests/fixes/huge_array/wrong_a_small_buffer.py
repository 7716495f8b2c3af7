# wrong: work
from zlib import crc32


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    pages = bytearray(page.encode()) * 8
    checksum = crc32(pages)
    return [f"{checksum:08x}-{job}" for job in jobs]
