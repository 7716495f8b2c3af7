# right
from zlib import crc32


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)
    del pages[:]  # whoever else holds it holds an empty one

    labels = []
    for job in jobs:
        labels.append(f"{checksum:08x}-{job}")
    return labels
