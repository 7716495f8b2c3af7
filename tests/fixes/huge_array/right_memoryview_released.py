# right
from zlib import crc32

latest = {}


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    pages = bytearray(page.encode()) * (size // len(page))
    with memoryview(pages) as view:
        checksum = crc32(view)
        latest["pages"] = view[:8].tolist()
    del pages
    return [f"{checksum:08x}-{job}" for job in jobs]
