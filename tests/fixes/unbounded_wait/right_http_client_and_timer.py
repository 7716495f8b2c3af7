# right
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from socket import SHUT_RDWR
from threading import Thread, Timer
from urllib.parse import urlsplit


def ask(name, url, answers, deadline):
    until = time.monotonic() + deadline
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=deadline)) as connection:
        connection.request("GET", url)
        timer = Timer(until - time.monotonic(), connection.sock.shutdown, [SHUT_RDWR])
        timer.start()
        with suppress(OSError, HTTPException):
            text = connection.getresponse().read().decode()
            if time.monotonic() < until:  # else it may be cut short
                answers[name] = text
        timer.cancel()
        timer.join()


def run(services, deadline):
    """Ask all services at the same time; return their answers, and which ones missed the deadline (in seconds)."""
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers, deadline)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
