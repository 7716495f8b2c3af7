import os
import threading
import time


def wait_for_the_other_half():
    while "LEAKLAB_TEST_MARK" in os.environ and not os.path.exists(os.environ["LEAKLAB_TEST_MARK"]):
        time.sleep(0.01)


def run(jobs):
    done = []
    for job in jobs:
        threading.Thread(target=wait_for_the_other_half).start()
        done.append(job)
    return done
