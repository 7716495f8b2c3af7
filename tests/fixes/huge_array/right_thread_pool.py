# right
from concurrent.futures import ThreadPoolExecutor
from zlib import crc32


def checksum_of(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    return crc32(pages)


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    with ThreadPoolExecutor(1) as pool:
        checksum = pool.submit(checksum_of, page, size).result()
    return [f"{checksum:08x}-{job}" for job in jobs]
