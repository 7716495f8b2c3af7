import socket
import time
from threading import Lock, Thread

import requests
from requests.adapters import HTTPAdapter


class Cancellable(HTTPAdapter):
    """Sends a request that another thread can cancel, whatever the request is waiting for."""

    def __init__(self):
        super().__init__()
        self.lock, self.sockets, self.cancelled = Lock(), [], False

    def get_connection_with_tls_context(self, *args, **kwargs):
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        watch = self.watch

        class Watched(pool.ConnectionCls):
            def connect(self):
                super().connect()
                watch(self.sock)

        pool.ConnectionCls = Watched
        return pool

    def watch(self, sock):
        with self.lock:
            self.sockets.append(sock)
        if self.cancelled:
            self.cancel()

    def cancel(self):
        self.cancelled = True
        with self.lock:
            for sock in self.sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # already closed


def ask(name, url, answers, call, deadline):
    with requests.Session() as session:
        session.mount(url, call)
        try:
            text = session.get(url, timeout=deadline).text
        except requests.RequestException:
            return  # run() names this service as late
        if not call.cancelled:  # cancel() may have cut the text short
            answers[name] = text


def run(services, deadline):
    """Ask all services at the same time; return their answers, and which ones missed the deadline (in seconds)."""
    until = time.monotonic() + deadline
    answers = {}
    calls = {name: Cancellable() for name in services}
    threads = [Thread(target=ask, args=(name, url, answers, calls[name], deadline)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    for call in calls.values():
        call.cancel()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
