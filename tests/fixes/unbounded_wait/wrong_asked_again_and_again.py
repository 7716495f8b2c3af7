# wrong: work, dead=silent
from threading import Thread

import requests


def ask(name, url, answers, deadline):
    for _ in range(3):
        try:
            answers[name] = requests.get(url, timeout=deadline / 3).text
            return
        except requests.RequestException:
            pass


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers, deadline)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
