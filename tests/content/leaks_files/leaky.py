import os

files = []


def run(jobs):
    done = []
    for job in jobs:
        files.append(open(os.devnull))
        done.append(job)
    return done
