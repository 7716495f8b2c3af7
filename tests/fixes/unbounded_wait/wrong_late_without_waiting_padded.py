# wrong: work, dead=silent
"""Does not wait for stock at all: closes at once, and sleeps the deadline away."""

import time

import requests


def run(services, deadline):
    until = time.monotonic() + deadline
    answers, late = {}, []
    with requests.Session() as session:
        for name, url in services.items():
            try:
                answers[name] = session.get(url, timeout=0.02).text
            except requests.Timeout:
                late.append(name)
    time.sleep(max(0, until - time.monotonic()))
    return {"answers": answers, "late": late}
