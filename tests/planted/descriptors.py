"""Opens files and closes them, as many at each step as it is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

kept: list[IO[bytes]] = []


def run(jobs: Iterable[int], opens: list[int], gives_back: list[int], *, clean_up: bool) -> int:
    """Each file is this one, opened for reading."""
    size = 0
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        for _ in range(old):
            kept.pop(0).close()
        for _ in range(new):
            file = open(__file__, "rb")  # noqa: SIM115, PTH123 # what stays open is what is planted
            size += len(file.read(1))
            kept.append(file)
    while clean_up and kept:
        kept.pop(0).close()
    return size
