"""The half that `leaklab doctor` runs: it leaves a known number of connections open, for the lab to see."""

import http.client
from collections.abc import Iterable
from urllib.parse import urlsplit

kept: list[http.client.HTTPConnection] = []


def run(urls: Iterable[str]) -> int:
    """Request every URL on a connection of its own, keep the connections open, and return how many there are."""
    for url in urls:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port)
        connection.request("GET", parts.path)
        if (status := connection.getresponse().status) != 200:
            raise ConnectionError(f"the HTTP service answered {url} with {status}")
        kept.append(connection)
    return len(kept)
