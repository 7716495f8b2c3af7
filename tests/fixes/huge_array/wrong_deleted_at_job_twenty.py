# wrong: held rss
from zlib import crc32


def run(page, size, jobs):
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)
    labels = []
    for number, job in enumerate(jobs, 1):
        labels.append(f"{checksum:08x}-{job}")
        if number == 20:
            del pages
    return labels
