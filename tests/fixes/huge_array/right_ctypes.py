# right
import ctypes
from zlib import crc32


def run(page, size, jobs):
    copies = size // len(page)
    buffer = (ctypes.c_char * (copies * len(page)))()
    data = page.encode() * copies
    ctypes.memmove(buffer, data, len(data))
    del data
    checksum = crc32(buffer)
    buffer = None
    return [f"{checksum:08x}-{job}" for job in jobs]
