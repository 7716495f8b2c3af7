import subprocess


def run(jobs):
    done = []
    for job in jobs:
        if job == 1:
            subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
        done.append(job)
    return done
