"""Opens sockets to an HTTP service and gives them back, as many at each step as it is told."""

from __future__ import annotations

from collections.abc import Iterable

import requests

kept: list[requests.Response] = []


def run(urls: Iterable[str], opens: list[int], gives_back: list[int], *, clean_up: bool) -> int:
    """Answers that were not read keep their socket; one that is read to its end gives it back for the next request."""
    asked = 0
    with requests.Session() as session:
        for url, new, old in zip(urls, opens, gives_back, strict=True):
            for _ in range(old):
                asked += len(kept.pop(0).content) > 0
            kept.extend(session.get(url, stream=True) for _ in range(new))
        while clean_up and kept:
            asked += len(kept.pop(0).content) > 0
    return asked
