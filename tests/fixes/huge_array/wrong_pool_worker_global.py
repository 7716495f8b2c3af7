# wrong: held rss
"""Half right: the buffer went to a worker process, where a global keeps it for as long as the pool lives."""

from concurrent.futures import ProcessPoolExecutor
from zlib import crc32

pages = None


def checksum_of(page, size):
    global pages
    pages = bytearray(page.encode()) * (size // len(page))
    return crc32(pages)


def run(page, size, jobs):
    with ProcessPoolExecutor(max_workers=1) as pool:
        checksum = pool.submit(checksum_of, page, size).result()
        return [f"{checksum:08x}-{job}" for job in jobs]
