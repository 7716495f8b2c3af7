# right
from functools import reduce
from itertools import repeat
from zlib import crc32


def pages(page, size):
    yield from repeat(page.encode(), size // len(page))


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    checksum = reduce(lambda so_far, one: crc32(one, so_far), pages(page, size), 0)
    return [f"{checksum:08x}-{job}" for job in jobs]
