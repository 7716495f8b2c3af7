"""Starts processes that run on and ends them, as many at each step as it is told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

kept: list[subprocess.Popen[bytes]] = []


def end(child: subprocess.Popen[bytes]) -> None:
    """End it and wait for it."""
    child.kill()
    child.wait()


def run(jobs: Iterable[int], opens: list[int], gives_back: list[int], *, clean_up: bool) -> int:
    """Each process sleeps."""
    started = 0
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        for _ in range(old):
            end(kept.pop(0))
        kept.extend(subprocess.Popen(["/bin/sleep", "3600"]) for _ in range(new))
        started += new
    while clean_up and kept:
        end(kept.pop(0))
    return started
