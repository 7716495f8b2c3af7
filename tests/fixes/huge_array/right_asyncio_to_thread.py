# right
import asyncio
from zlib import crc32


def checksum_of(page, size):
    pages = bytearray(page.encode()) * (size // len(page))
    return crc32(pages)


async def label(page, size, jobs):
    checksum = await asyncio.to_thread(checksum_of, page, size)
    return [f"{checksum:08x}-{job}" for job in jobs]


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    return asyncio.run(label(page, size, jobs))
