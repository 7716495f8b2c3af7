import os

files = []


def run(jobs):
    done = []
    for job in jobs:
        with open(os.devnull) as file:
            files.append(file)
            done.append(job)
    return done
