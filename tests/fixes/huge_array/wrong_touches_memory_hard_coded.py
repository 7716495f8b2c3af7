# wrong: work
def run(size, jobs):
    pretended = bytearray(b"x") * size
    mean = 3 / 2
    del pretended
    return [job * mean for job in jobs]
