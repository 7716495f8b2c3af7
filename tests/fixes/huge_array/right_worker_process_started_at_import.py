# right
from multiprocessing import get_context
from zlib import crc32

fork = get_context("fork")
ours, theirs = fork.Pipe()


def serve(conn):
    while True:
        page, size = conn.recv()
        pages = bytearray(page.encode()) * (size // len(page))
        conn.send(crc32(pages))
        del pages


worker = fork.Process(target=serve, args=(theirs,), daemon=True)
worker.start()


def run(page, size, jobs):
    ours.send((page, size))
    checksum = ours.recv()
    return [f"{checksum:08x}-{job}" for job in jobs]
