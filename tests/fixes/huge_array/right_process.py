# right
import multiprocessing
from zlib import crc32


def checksum_of(page, size, checksum):
    pages = bytearray(page.encode()) * (size // len(page))
    checksum.value = crc32(pages)


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    fork = multiprocessing.get_context("fork")
    checksum = fork.Value("L")
    process = fork.Process(target=checksum_of, args=(page, size, checksum))
    process.start()
    process.join()
    return [f"{checksum.value:08x}-{job}" for job in jobs]
