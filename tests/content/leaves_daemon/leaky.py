import os
import signal
import time


def run(jobs):
    done = []
    for job in jobs:
        if job == 1 and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
            os._exit(0)
        done.append(job)
    return done
