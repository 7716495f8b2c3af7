# wrong: work
from threading import Thread

import requests


def ask(url, deadline):
    try:
        requests.get(url, timeout=deadline)
    except requests.RequestException:
        pass


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    threads = [Thread(target=ask, args=(url, deadline)) for url in services.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": {}, "late": list(services)}
