# wrong: leaked rss
from zlib import crc32

history = []


def run(page, size, jobs):
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)
    del pages
    labels = []
    for job in jobs:
        history.append(bytearray(page.encode()) * (2**19 // len(page)))
        labels.append(f"{checksum:08x}-{job}")
    return labels
