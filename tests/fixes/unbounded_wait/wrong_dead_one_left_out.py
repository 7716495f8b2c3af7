# wrong: work
from threading import Thread

import requests


def ask(name, url, answers):
    answers[name] = requests.get(url).text


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    answers = {}
    threads = [Thread(target=ask, args=(name, services[name], answers)) for name in ("profile", "friend")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
