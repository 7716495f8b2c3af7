"""Asks an HTTP service once a step; at some steps it does not read the answer, and its connection is lost."""

from __future__ import annotations

from collections.abc import Iterable

import requests


def run(urls: Iterable[str], opens: list[int]) -> int:
    """A connection is used again only if the answer before was read to its end."""
    size = 0
    with requests.Session() as session:
        for url, unread in zip(urls, opens, strict=True):
            for _ in range(unread):
                session.get(url, stream=True).close()
            if not unread:
                size += len(session.get(url).content)
    return size
