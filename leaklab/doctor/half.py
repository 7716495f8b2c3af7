"""The half that `leaklab doctor` runs: it leaves a known number of connections open, for the lab to see."""

import http.client
from collections.abc import Iterable

kept: list[http.client.HTTPConnection] = []


def run(paths: Iterable[str], port: int) -> int:
    """Request every path on a connection of its own, keep the connections open, and return how many there are."""
    for path in paths:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path)
        if (status := connection.getresponse().status) != 200:
            raise ConnectionError(f"the HTTP service answered {path} with {status}")
        kept.append(connection)
    return len(kept)
