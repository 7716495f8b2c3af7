import threading

waiting = threading.Event()


def run(jobs):
    done = []
    for job in jobs:
        threading.Thread(target=waiting.wait, daemon=True).start()
        done.append(job)
    return done
