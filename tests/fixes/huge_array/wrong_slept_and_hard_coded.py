# wrong: work
import time


def run(size, jobs):
    time.sleep(0.4)
    mean = 1.5
    return [job * mean for job in jobs]
