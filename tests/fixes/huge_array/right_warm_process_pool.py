# right
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from zlib import crc32


def checksum_of(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    return crc32(pages)


pool = ProcessPoolExecutor(1, mp_context=get_context("fork"))
pool.submit(checksum_of, "page", 1600).result()  # so that the first call need not wait for it


def run(page, size, jobs):
    checksum = pool.submit(checksum_of, page, size).result()
    return [f"{checksum:08x}-{job}" for job in jobs]
