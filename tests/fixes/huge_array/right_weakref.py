# right
import weakref
from zlib import crc32


class Pages(bytearray):
    pass


def run(page, size, jobs):
    pages = Pages(size // len(page) * len(page))
    for start in range(0, len(pages), len(page)):
        pages[start : start + len(page)] = page.encode()
    watcher = weakref.ref(pages)
    checksum = crc32(pages)
    del pages
    assert watcher() is None
    return [f"{checksum:08x}-{job}" for job in jobs]
