# right
import multiprocessing
import time

import requests

fork = multiprocessing.get_context("fork")


def ask(url, answer):
    with requests.Session() as session:
        answer.send(session.get(url).text)


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    asked = {}
    for name, url in services.items():
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=ask, args=(url, theirs))
        process.start()
        theirs.close()
        asked[name] = process, ours
    answers = {}
    for name, (process, answer) in asked.items():
        if answer.poll(max(0, until - time.monotonic())):
            answers[name] = answer.recv()
        process.kill()
        process.join()
        process.close()
        answer.close()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
