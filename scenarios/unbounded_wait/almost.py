import time
from threading import Thread

import requests


def ask(name, url, answers):
    with requests.Session() as session:
        answers[name] = session.get(url).text


def run(services, deadline):
    """Ask all services at the same time; return their answers, and which ones missed the deadline (in seconds)."""
    until = time.monotonic() + deadline
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    return {"answers": answers, "late": [name for name in services if name not in answers]}
