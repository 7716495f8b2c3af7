# wrong: stalled threads, dead=drip-head
import time
from threading import Thread

import requests


def ask(name, url, answers, deadline):
    try:
        answers[name] = requests.get(url, timeout=(deadline, deadline)).text
    except requests.RequestException:
        pass


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers, deadline)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    return {"answers": dict(answers), "late": [name for name in services if name not in answers]}
