# right
import json, socket, time
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPConnection
from urllib.parse import urlsplit

pool = ThreadPoolExecutor(8)  # one for all calls, as the documentation recommends for services


def ask(url, conns):
    parts = urlsplit(url)
    conn = HTTPConnection(parts.hostname, parts.port)
    conn.connect()
    conns.append(conn.sock)
    conn.request("GET", parts.path)
    with conn.getresponse() as r:
        text = r.read().decode()
    conn.close()
    return text


def run(services, deadline):
    until = time.monotonic() + deadline
    conns = []
    futures = {name: pool.submit(ask, url, conns) for name, url in services.items()}
    done, late = wait(futures.values(), timeout=until - time.monotonic())
    for sock in conns:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    wait(futures.values())
    answers = {n: f.result() for n, f in futures.items() if f in done}
    return {"answers": answers, "late": [n for n in services if n not in answers]}
