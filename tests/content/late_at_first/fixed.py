import os
import time


def run(deadline):
    if "LEAKLAB_TEST_MARK" in os.environ:
        with open(os.environ["LEAKLAB_TEST_MARK"], "a+") as file:
            file.seek(0)
            late = not file.read()
            file.write("x")
        if late:
            time.sleep(2.5 * deadline)
