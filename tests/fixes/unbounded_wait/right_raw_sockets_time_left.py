# right
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit


def ask(url, until):
    parts = urlsplit(url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=max(0.001, until - time.monotonic())) as sock:
        sock.sendall(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        while True:
            sock.settimeout(max(0.001, until - time.monotonic()))
            try:
                data = sock.recv(65536)
            except TimeoutError:
                return None
            if not data:
                return received.partition(b"\r\n\r\n")[2].decode()
            received += data
            if time.monotonic() >= until:
                return None


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    until = time.monotonic() + deadline
    with ThreadPoolExecutor(len(services)) as pool:
        found = dict(zip(services, pool.map(lambda url: ask(url, until), services.values()), strict=True))
    return {
        "answers": {name: text for name, text in found.items() if text is not None},
        "late": [name for name, text in found.items() if text is None],
    }
