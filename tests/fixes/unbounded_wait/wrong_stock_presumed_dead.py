# wrong: work
import socket
from threading import Thread
from urllib.parse import urlsplit

import requests


def ask(name, url, answers):
    answers[name] = requests.get(url).text


def run(services, deadline):
    """stock never answers anyway."""
    parts = urlsplit(services["stock"])
    with socket.create_connection((parts.hostname, parts.port)) as sock:
        sock.sendall(f"GET {parts.path} HTTP/1.0\r\n\r\n".encode())
    answers = {}
    threads = [Thread(target=ask, args=(name, services[name], answers)) for name in ("profile", "friend")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": ["stock"]}
