# right
from http.client import HTTPConnection
from urllib.parse import urlsplit


def run(urls):
    """Fetch every export and return their sizes."""
    connection = None
    sizes = []
    try:
        for url in urls:
            parts = urlsplit(url)
            if connection is None:
                connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
            connection.request("GET", parts.path)
            sizes.append(len(connection.getresponse().read()))
    finally:
        if connection is not None:
            connection.close()
    return sizes
