# wrong: leaked rss
from zlib import crc32

history = []


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    pages = bytearray(page.encode()) * (size // len(page))
    history.append(pages)
    checksum = crc32(pages)
    del pages
    return [f"{checksum:08x}-{job}" for job in jobs]
