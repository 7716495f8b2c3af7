# right
import socket
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPConnection
from urllib.parse import urlsplit


def ask(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    pool = ThreadPoolExecutor(len(services))
    connections, futures = {}, {}
    for name, url in services.items():
        parts = urlsplit(url)
        connections[name] = HTTPConnection(parts.hostname, parts.port)
        connections[name].connect()
        futures[name] = pool.submit(ask, connections[name], parts.path)
    done, _ = wait(futures.values(), timeout=deadline)
    answers = {name: future.result() for name, future in futures.items() if future in done}
    for name, connection in connections.items():
        if name not in answers:
            connection.sock.shutdown(socket.SHUT_RDWR)
    pool.shutdown()
    for connection in connections.values():
        connection.close()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
