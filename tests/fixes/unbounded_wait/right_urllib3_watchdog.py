# right
import socket
import time
from threading import Event, Thread

import urllib3
from urllib3.connection import HTTPConnection


def ask(name, url, answers, opened, over):
    class Noted(HTTPConnection):
        def connect(self):
            super().connect()
            opened.append(self.sock)

    with urllib3.PoolManager(retries=False) as http:
        pool = http.connection_from_url(url)
        pool.ConnectionCls = Noted
        try:
            text = pool.request("GET", url).data.decode()
        except urllib3.exceptions.HTTPError:
            return
        if not over.is_set():
            answers[name] = text


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers, opened, over = {}, [], Event()
    threads = [Thread(target=ask, args=(name, url, answers, opened, over)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    over.set()
    for sock in opened:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
