"""Ways to end a run from outside, at any moment, and runs to be ended: for a test, and for benchmarks/attack.py."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import psutil

from tests.integration.conftest import CONTENT, ROOT, Started

OURS = ("--scenarios", str(CONTENT))
FIXES = ROOT / "tests" / "fixes"

RUNS = (
    ("run", "unclosed-body"),
    ("run", "open-cursor", "--no-explain"),
    ("run", "leaves-daemon", *OURS),
    ("compare", "leaks-threads", "huge-array", "--set", "size=32MiB", "--json", *OURS),
    ("check", str(FIXES / "huge_array" / "right_del.py"), "--scenario", "huge-array", "--set", "size=32MiB"),
    ("check", str(FIXES / "unclosed_body" / "wrong_child_processes_left.py"), "--scenario", "unclosed-body"),
)

PARTS: Mapping[str, str | None] = {"runner": None, "services": "host.py", "worker": "worker.py", "guard": "guard.py"}
"""The processes of a run, by the file that each runs; the runner is the command itself."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

STOPPED_S = 0.2
"""Seconds that a process is stopped before it goes on."""


def pids_of(started: Started, part: str) -> list[int]:
    """The processes that are this part of a run, as far as they are there."""
    script = PARTS[part]
    return [started.process.pid] if script is None else [process.pid for process in started.called(script)]


def send(number: signal.Signals, parts: Sequence[str], started: Started) -> None:
    """Send a signal to these parts, in one moment."""
    for pid in [pid for part in parts for pid in pids_of(started, part)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def stop_and_go_on(part: str, started: Started) -> None:
    """Stop a part for a while, then interrupt the run."""
    send(signal.SIGSTOP, [part], started)
    time.sleep(STOPPED_S)
    send(signal.SIGCONT, [part], started)
    send(signal.SIGINT, ["runner"], started)


def interrupt_group(started: Started) -> None:
    """Send what a terminal sends for Ctrl-C: to the whole process group of the command."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(started.process.pid, signal.SIGINT)


def interrupt_all(started: Started) -> None:
    """Interrupt every process of the run, as `pkill -INT -f leaklab` does."""
    for process in started.processes():
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGINT)


PAIRS = [parts for count in (1, 2) for parts in itertools.combinations(PARTS, count)]

WAYS: Mapping[str, Callable[[Started], None]] = {
    **{f"{number.name} runner": partial(send, number, ["runner"]) for number in ENDING},
    **{f"SIGKILL {' and '.join(parts)}": partial(send, signal.SIGKILL, parts) for parts in PAIRS},
    **{f"SIGSTOP, SIGCONT {part}": partial(stop_and_go_on, part) for part in PARTS},
    "SIGINT group": interrupt_group,
    "SIGINT all": interrupt_all,
}
"""Ways to end a run, or a part of it, by name. After each, the command ends by itself."""
