import time


def run(deadline):
    time.sleep(2.5 * deadline)
