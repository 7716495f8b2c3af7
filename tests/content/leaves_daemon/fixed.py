import subprocess


def run(jobs):
    done = []
    for job in jobs:
        if job == 1:
            subprocess.run(["sleep", "0"], stdin=subprocess.DEVNULL)
        done.append(job)
    return done
