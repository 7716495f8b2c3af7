# wrong: held rss
from zlib import crc32


def labeller(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)

    def label(job):
        return f"{checksum:08x}-{job}" if len(pages) else ""

    return label


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    label = labeller(page, size)
    return [label(job) for job in jobs]
