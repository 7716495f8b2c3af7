# wrong: work
import time
from threading import Thread

import requests


def ask(name, url, answers, until):
    with requests.get(url, stream=True, timeout=until - time.monotonic()) as response:
        body = b""
        for chunk in response.iter_content(1):
            body += chunk
            if time.monotonic() > until:
                break
        answers[name] = body.decode()


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers, until)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
