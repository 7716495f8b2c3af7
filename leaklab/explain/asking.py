"""Asks a program in Python that was started with the hook what it has open, and which line opened it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from leaklab.explain.evidence import ReportedGroup, groups_of
from leaklab.explain.explaining import Statement
from leaklab.explain.grouping import FILES, MEMORY, SHARED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOOK = Path(__file__).with_name("hook")
"""The folder of the hook; PYTHONPATH names it (hook/sitecustomize.py)."""

RECORDS = "LEAKLAB_EXPLAIN"
"""The environment variable that has the hook record which line opens what; it names the folder of the own code."""

SIGNAL = 11
"""The signal that asks, by its number after SIGRTMIN: programs use the first few of these, if any (signal(7))."""

WITHIN_S = 10.0
"""Seconds in which an answer must come: the program's main thread has to run Python code for it."""

LOOK_S = 0.02
"""Seconds between two looks at whether the answer is there."""

LEFT = "left"
"""The moment that an answer is about, as a witness calls it."""

NOT_ASKED = (MEMORY, SHARED, *FILES)
"""Counters that the hook does not record: it would cost the program too much, or needs a folder of its own."""


def own_folder(command: Sequence[str]) -> Path:
    """The folder of a program's own code: that of its script, or the current one."""
    scripts = (Path(part) for part in command[1:] if part.endswith(".py"))
    return next((path.resolve().parent for path in scripts if path.is_file()), Path.cwd())


def ask(pids: Sequence[int], file: Path, counters: Mapping[str, float]) -> Statement:
    """What these processes, which have the hook, say of what these counters count.

    `file` is that of the hook's counts; what is asked and answered stands beside it.
    """
    asked = {name: count for name, count in counters.items() if name not in NOT_ASKED}
    file.with_name(f"{file.name}.asked").write_text(json.dumps(asked), encoding="utf-8")
    number = signal.SIGRTMIN + SIGNAL
    waiting = {pid: file.with_name(f"{file.name}.{pid}.said") for pid in pids if _handles(pid, number)}
    for pid in waiting:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
    found, groups = Statement(trouble="" if waiting else "the program does not answer"), list[ReportedGroup]()
    until = time.monotonic() + WITHIN_S
    while waiting and time.monotonic() < until:
        time.sleep(LOOK_S)
        for pid in [pid for pid, answer in waiting.items() if answer.exists()]:
            said = json.loads(waiting.pop(pid).read_bytes())
            groups = _together(groups + groups_of(said["groups"]))
            found.trouble = found.trouble or str(said["error"])
    found.looks[LEFT] = groups
    if waiting and not groups:
        found.trouble = f"the program did not answer within {WITHIN_S:.0f} s"
    return found


def _together(groups: Sequence[ReportedGroup]) -> list[ReportedGroup]:
    """Groups of several processes: those that differ only in their count are one."""
    counts: dict[ReportedGroup, int] = {}
    for group in groups:
        alike = replace(group, count=0)
        counts[alike] = counts.get(alike, 0) + group.count
    return [replace(group, count=count) for group, count in counts.items()]


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal: it would end one that has not."""
    with contextlib.suppress(OSError, ValueError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (number - 1) & 1)
    return False
