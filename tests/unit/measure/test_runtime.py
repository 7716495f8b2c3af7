"""What runs a half of each language, and what differs in its measurement."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest.mock import patch

from leaklab.measure.runtime import PYTHON_RUNTIME, go_runtime, python_runtime
from leaklab.metrics import METRICS
from leaklab.system.processes import start_command

PANIC = "panic: boom\n\ngoroutine 1 [running]:\n"
GO = go_runtime(Path("/cache/program"))


def test_a_half_in_python_is_run_by_this_interpreter() -> None:
    assert python_runtime(Path("/lab/worker.py")).command == (sys.executable, "-P", "/lab/worker.py")
    assert PYTHON_RUNTIME.command[-1].endswith("worker.py")


def test_a_half_in_go_is_a_program_of_its_own() -> None:
    assert GO.command == ("/cache/program",)


def test_what_is_counted_otherwise_has_a_metric() -> None:
    counters = {metric.counter for metric in METRICS.values()}
    assert {*GO.counts_inside, *GO.unread} <= counters
    assert not PYTHON_RUNTIME.counts_inside
    assert not PYTHON_RUNTIME.unread


def test_only_go_panics() -> None:
    assert PYTHON_RUNTIME.panic(PANIC) is None
    panic = GO.panic(PANIC)
    assert panic is not None
    assert panic.words == "boom"


def test_variables_with_the_dropped_beginning_do_not_reach_a_process() -> None:
    """They would change what Go's runtime does: GOGC, GODEBUG, GOMAXPROCS."""
    shows = (sys.executable, "-c", "import os; print(*sorted(n for n in os.environ if n.startswith('GO')))")
    for dropped, names in (("", b"GOGC GOMAXPROCS"), ("GO", b"")):
        child = start_with(shows, dropped)
        assert child == names


def start_with(command: tuple[str, ...], dropped: str) -> bytes:
    """What a command says that is started with two variables of Go's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    with patch.dict(os.environ, {**kept, "GOGC": "1", "GOMAXPROCS": "1"}, clear=True):
        child = start_command(command, dropped)
    try:
        assert child.process.stdout is not None
        return child.process.stdout.read().strip()
    finally:
        child.end()
