# wrong: work
def run(page, size, jobs):
    pretended = bytearray(b"x") * size
    checksum = 0x7D0AF1C3
    del pretended
    return [f"{checksum:08x}-{job}" for job in jobs]
