# right
import socket
from http.client import HTTPConnection, HTTPException
from threading import Thread, Timer
from urllib.parse import urlsplit


def ask(name, url, answers, deadline):
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=deadline)
    connection.connect()
    late = []

    def give_up():
        late.append(name)
        connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(deadline, give_up)
    timer.start()
    try:
        connection.request("GET", parts.path)
        text = connection.getresponse().read().decode()
        if not late:
            answers[name] = text
    except (HTTPException, OSError):
        pass
    finally:
        timer.cancel()
        timer.join()
        connection.close()


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    answers = {}
    threads = [Thread(target=ask, args=(name, url, answers, deadline)) for name, url in services.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
