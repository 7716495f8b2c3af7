import os


def run(jobs):
    done = []
    for job in jobs:
        if job == 3:
            os._exit(3)
        done.append(job)
    return done
