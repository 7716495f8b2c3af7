# wrong: held rss
from zlib import crc32


def checksums(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    yield crc32(pages)
    pages = None


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    found = checksums(page, size)
    checksum = next(found)
    return [f"{checksum:08x}-{job}" for job in jobs]
