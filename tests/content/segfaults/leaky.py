import ctypes


def run(jobs):
    done = []
    for job in jobs:
        if job == 3:
            ctypes.string_at(0)
        done.append(job)
    return done
