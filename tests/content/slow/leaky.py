import os
import time

files = []


def run(jobs):
    done = []
    for job in jobs:
        files.append(open(os.devnull))
        if "LEAKLAB_TEST_MARK" in os.environ:
            with open(os.environ["LEAKLAB_TEST_MARK"], "a") as file:
                file.write("x")
        time.sleep(0.05)
        done.append(job)
    return done
