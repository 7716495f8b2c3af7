"""Starts threads and lets them end, as many at each step as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

kept: list[tuple[threading.Thread, threading.Event]] = []


def work(enough: threading.Event, lasts: float | None, lingers: float) -> None:
    """Wait to be told that it is enough, or for so many seconds, and take some more to end."""
    enough.wait(lasts)
    time.sleep(lingers)


def run(
    jobs: Iterable[int],
    opens: list[int],
    gives_back: list[int],
    lasts: float | None,
    lingers: float,
    pause: float,
    *,
    clean_up: bool,
) -> int:
    """Each thread waits on an event of its own; None for `lasts` is for ever."""
    started = 0
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        for _ in range(old):
            thread, enough = kept.pop(0)
            enough.set()
            thread.join()
        for _ in range(new):
            enough = threading.Event()
            thread = threading.Thread(target=work, args=(enough, lasts, lingers), daemon=True)
            thread.start()
            started += 1
            kept.append((thread, enough))
        time.sleep(pause)
    if clean_up:
        for thread, enough in kept:
            enough.set()
            if not lingers:
                thread.join()
        kept.clear()
    return started
