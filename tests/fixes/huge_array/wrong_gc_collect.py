# wrong: held rss
import gc
from zlib import crc32


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)
    gc.collect()
    return [f"{checksum:08x}-{job}" for job in jobs]
