# right
import selectors
import socket
import time
from urllib.parse import urlsplit


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    answers, received = {}, dict.fromkeys(services, b"")
    with selectors.DefaultSelector() as selector:
        for name, url in services.items():
            parts = urlsplit(url)
            sock = socket.create_connection((parts.hostname, parts.port), timeout=deadline)
            sock.sendall(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, name)
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                data = key.fileobj.recv(65536)
                received[key.data] += data
                if not data:
                    answers[key.data] = received[key.data].partition(b"\r\n\r\n")[2].decode()
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close()
    return {"answers": answers, "late": [name for name in services if name not in answers]}
