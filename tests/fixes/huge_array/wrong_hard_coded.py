# wrong: work
def run(size, jobs):
    """Take the mean of size bytes of readings, then weigh every job with it."""
    return [job * 1.5 for job in jobs]
