import os
import time


def mark():
    if "LEAKLAB_TEST_MARK" in os.environ:
        with open(os.environ["LEAKLAB_TEST_MARK"], "a") as file:
            file.write("x")


def run(jobs):
    done = []
    for job in jobs:
        mark()
        while os.path.exists(os.environ.get("LEAKLAB_TEST_MARK", "") + ".stop"):
            time.sleep(0.05)
        done.append(job)
    return done
