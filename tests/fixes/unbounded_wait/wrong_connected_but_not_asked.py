# wrong: work
import socket
from urllib.parse import urlsplit

import requests


def run(services, deadline):
    """Ask all services at once; return their answers, and who had none after deadline seconds."""
    parts = urlsplit(services["stock"])
    socket.create_connection((parts.hostname, parts.port)).close()
    answers = {name: requests.get(services[name]).text for name in ("profile", "friend")}
    return {"answers": answers, "late": ["stock"]}
