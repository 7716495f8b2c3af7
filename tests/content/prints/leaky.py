import sys


def run(jobs):
    done = []
    for job in jobs:
        print("x" * 1_000_000)
        print("y" * 1_000_000, file=sys.stderr)
        done.append(job)
    return done
