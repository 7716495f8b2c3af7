# wrong: leaked rss
from zlib import crc32

debug = {}


def load(page, size):
    return bytearray(page.encode()) * (size // len(page))


def checksum_of(page, size):
    pages = load(page, size)
    return crc32(pages)


def run(page, size, jobs):
    checksum = checksum_of(page, size)
    labels = [f"{checksum:08x}-{job}" for job in jobs]
    debug["pages"] = load(page, size)  # what was checked, for the /debug page
    return labels
