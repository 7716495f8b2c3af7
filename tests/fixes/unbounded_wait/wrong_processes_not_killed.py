# wrong: stalled open_sockets
import multiprocessing
import time

import requests

fork = multiprocessing.get_context("fork")


def ask(url, answer):
    answer.send(requests.get(url).text)


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    asked = {}
    for name, url in services.items():
        ours, theirs = fork.Pipe(duplex=False)
        fork.Process(target=ask, args=(url, theirs), daemon=True).start()
        theirs.close()
        asked[name] = ours
    answers = {}
    for name, answer in asked.items():
        if answer.poll(max(0, until - time.monotonic())):
            answers[name] = answer.recv()
        answer.close()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
