# right
import socket
import time
from threading import Thread

import requests
from requests.adapters import HTTPAdapter


class Watched(HTTPAdapter):
    """Knows the sockets it opens, so that somebody else can shut them."""

    def __init__(self):
        super().__init__()
        self.sockets = []
        self.over = False

    def get_connection_with_tls_context(self, *args, **kwargs):
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        adapter = self

        class Connection(pool.ConnectionCls):
            def connect(self):
                super().connect()
                adapter.sockets.append(self.sock)
                if adapter.over:
                    adapter.shut()

        pool.ConnectionCls = Connection
        return pool

    def shut(self):
        self.over = True
        for sock in list(self.sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def ask(name, url, answers, adapter):
    with requests.Session() as session:
        session.mount("http://", adapter)
        try:
            text = session.get(url).text
        except requests.RequestException:
            return
        if not adapter.over:
            answers[name] = text


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers = {}
    adapters = [Watched() for _ in services]
    threads = [
        Thread(target=ask, args=(name, url, answers, adapter))
        for (name, url), adapter in zip(services.items(), adapters, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    for adapter in adapters:
        adapter.shut()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
