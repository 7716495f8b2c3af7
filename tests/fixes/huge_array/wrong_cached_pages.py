# wrong: leaked rss
from functools import lru_cache
from zlib import crc32


@lru_cache(maxsize=1)
def pages_of(page, size):
    return bytearray(page.encode()) * (size // len(page))


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    checksum = crc32(pages_of(page, size))
    return [f"{checksum:08x}-{job}" for job in jobs]
