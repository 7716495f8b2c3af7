# wrong: work
"""Dishonest: knows the mean, and burns some time so that it looks like work."""


def run(size, jobs):
    sum(range(size // 8))
    return [job * 1.5 for job in jobs]
