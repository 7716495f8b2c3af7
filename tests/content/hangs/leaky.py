import time


def run(jobs):
    done = []
    for job in jobs:
        if job == 3:
            time.sleep(3600)
        done.append(job)
    return done
