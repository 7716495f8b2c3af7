"""Writes temporary files and removes them, as many at each step as it is told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

kept: list[Path] = []


def run(jobs: Iterable[int], opens: list[int], gives_back: list[int], block: int, *, clean_up: bool) -> int:
    """Each file is closed, and has so many bytes."""
    written = 0
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        for _ in range(old):
            kept.pop(0).unlink()
        for _ in range(new):
            descriptor, path = tempfile.mkstemp()
            written += os.write(descriptor, b"x" * block)
            os.close(descriptor)
            kept.append(Path(path))
    while clean_up and kept:
        kept.pop(0).unlink()
    return written
