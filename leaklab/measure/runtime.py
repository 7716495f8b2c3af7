"""How the halves of one language are run, and what is different about measuring them: a table entry a language."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leaklab.golang.stacks import Panic, panic_in

WORKER = Path(__file__).with_name("worker.py")


def _no_panic(_output: str) -> Panic | None:
    return None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs a half, and how it is measured.

    Attributes:
        command: the worker, which speaks the protocol; the descriptor of its channel comes after it.
        environment: what is added to its environment.
        dropped: the beginning of the names of variables that do not reach it; empty for none.
        counts_inside: what it counts itself, in the file STEPS after the steps, by the names of the counters.
        unread: counters of the system that say nothing about the half, as they are those of its runtime.
        quiet_s: seconds in which nothing must change after return, so that nothing is waited for any more; None where
            something may end by itself after any time.
        loaded: what is done with a half before it runs.
        panic_code: the exit code of a process that a panic ended; None if there are no panics.
        panic: what such a process said of it, found in its output.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    dropped: str = ""
    counts_inside: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()
    quiet_s: float | None = None
    loaded: str = "imported"
    panic_code: int | None = None
    panic: Callable[[str], Panic | None] = _no_panic


def python_runtime(script: Path) -> Runtime:
    """A half in Python: this interpreter runs it, by a worker's script."""
    return Runtime((sys.executable, "-P", str(script)))


PYTHON_RUNTIME = python_runtime(WORKER)

GO_QUIET_S = 0.5
"""Seconds after which nothing of a half in Go ends by itself any more, if nothing has: its runtime always has threads,
and its library kills nothing once a second, as pymongo does."""


def go_runtime(program: Path) -> Runtime:
    """A half in Go: the program that was built of it. Its threads come and go as its runtime likes."""
    return Runtime(
        (str(program),),
        dropped="GO",
        counts_inside=("goroutines",),
        unread=frozenset({"threads"}),
        quiet_s=GO_QUIET_S,
        loaded="started",
        # Package runtime, "Environment Variables" (GOTRACEBACK).
        panic_code=2,
        panic=panic_in,
    )
