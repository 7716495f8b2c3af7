# wrong: leaked rss
import os
from zlib import crc32

kept = []


def run(page, size, jobs):
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)
    descriptor = os.memfd_create("pages")
    os.write(descriptor, pages)
    kept.append(descriptor)
    del pages
    return [f"{checksum:08x}-{job}" for job in jobs]
