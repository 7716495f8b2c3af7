# right
from contextlib import contextmanager
from zlib import crc32


@contextmanager
def pages_of(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    try:
        yield pages
    finally:
        pages.clear()


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    with pages_of(page, size) as pages:
        checksum = crc32(pages)
    return [f"{checksum:08x}-{job}" for job in jobs]
