import there_is_no_such_module


def run(jobs):
    return [*jobs]
