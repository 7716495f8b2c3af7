# wrong: held rss
from zlib import crc32


def checked(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    checksum = crc32(pages)
    if checksum:
        raise ValueError(checksum)
    return checksum


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    problems = []
    try:
        checksum = checked(page, size)
    except ValueError as error:
        problems.append(error)
        checksum = error.args[0]
    return [f"{checksum:08x}-{job}" for job in jobs]
