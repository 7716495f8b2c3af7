import os
import signal
import time


def mark():
    if "LEAKLAB_TEST_MARK" in os.environ:
        with open(os.environ["LEAKLAB_TEST_MARK"], "a") as file:
            file.write("x")


def run(jobs):
    done = []
    for job in jobs:
        if job == 3:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while True:
                mark()
                time.sleep(0.05)
        done.append(job)
    return done
