# wrong: work, dead=silent
import time
from threading import Thread

import requests


def ask(name, url, answers, deadline):
    try:
        answers[name] = requests.get(url, timeout=deadline).text
    except requests.RequestException:
        answers[name] = '{"stock": 0}'


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers, deadline)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": []}
