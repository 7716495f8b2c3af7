# wrong: work
from threading import Thread

import requests


def ask(name, url, answers):
    try:
        answers[name] = requests.get(url, timeout=0.05).text
    except requests.RequestException:
        pass


def run(services, deadline):
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
