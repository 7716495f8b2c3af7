# wrong: work
import time


def run(page, size, jobs):
    time.sleep(0.4)
    checksum = 0x7D0AF1C3
    return [f"{checksum:08x}-{job}" for job in jobs]
