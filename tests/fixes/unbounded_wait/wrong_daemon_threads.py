# wrong: stalled open_sockets
import time
from threading import Thread

import requests


def ask(name, url, answers):
    answers[name] = requests.get(url).text


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers = {}
    for name, url in services.items():
        Thread(target=ask, args=(name, url, answers), daemon=True).start()
    while len(answers) < len(services) and time.monotonic() < until:
        time.sleep(0.01)
    return {"answers": dict(answers), "late": [name for name in services if name not in answers]}
