import threading


def run(jobs):
    done = []
    for job in jobs:
        waiting = threading.Event()
        thread = threading.Thread(target=waiting.wait, daemon=True)
        thread.start()
        waiting.set()
        thread.join()
        done.append(job)
    return done
