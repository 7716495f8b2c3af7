def walk(jobs):
    return [*jobs]
