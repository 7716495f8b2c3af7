# wrong: work
"""Dishonest: knows the checksum, and burns some time so that it looks like work."""


def run(page, size, jobs):
    sum(range(size // 8))
    return [f"7d0af1c3-{job}" for job in jobs]
