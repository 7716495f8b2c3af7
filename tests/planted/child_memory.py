"""Has a child process keep blocks of memory and let them go, as many at each step as it is told."""

from __future__ import annotations

from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

children: list[tuple[BaseProcess, Connection]] = []


def keep(orders: Connection, block: int) -> None:
    """Every byte is written, so that every page is resident."""
    kept: list[bytes] = []
    while True:
        old, new = orders.recv()
        del kept[:old]
        kept.extend(b"x" * block for _ in range(new))
        orders.send(len(kept))


def run(jobs: Iterable[int], opens: list[int], gives_back: list[int], block: int, *, clean_up: bool) -> int:
    """The child is forked, and shares with this process what it does not write to."""
    ours, theirs = get_context("fork").Pipe()
    child = get_context("fork").Process(target=keep, args=(theirs, block), daemon=True)
    child.start()
    children.append((child, ours))
    held = 0
    for _, new, old in zip(jobs, opens, gives_back, strict=True):
        ours.send((old, new))
        held = ours.recv()
    if clean_up:
        ours.send((held, 0))
        held = ours.recv()
    return sum(opens)
