# wrong: stalled threads, dead=silent
import time
from http.client import HTTPConnection
from threading import Thread
from urllib.parse import urlsplit


def ask(name, connection, path, answers):
    try:
        connection.request("GET", path)
        answers[name] = connection.getresponse().read().decode()
    except (OSError, ValueError, AttributeError):
        pass


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers, asked = {}, []
    for name, url in services.items():
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname, parts.port)
        thread = Thread(target=ask, args=(name, connection, parts.path, answers))
        thread.start()
        asked.append((thread, connection))
    for thread, _ in asked:
        thread.join(max(0, until - time.monotonic()))
    for _, connection in asked:
        connection.close()
    return {"answers": dict(answers), "late": [name for name in services if name not in answers]}
