# right
from dataclasses import dataclass, field
from zlib import crc32


@dataclass
class Scanner:
    pages: bytearray = field(default_factory=bytearray)

    def scan(self, page, size):
        self.pages = bytearray(page.encode()) * (size // len(page))

    def checksum(self):
        return crc32(self.pages)

    def forget(self):
        self.pages = bytearray()


def run(page, size, jobs):
    """Compute the checksum of size bytes of pages, then put it on the label of every job."""
    scanner = Scanner()
    scanner.scan(page, size)
    checksum = scanner.checksum()
    scanner.forget()
    return [f"{checksum:08x}-{job}" for job in jobs]
