def run(jobs):
    return [*jobs]
