"""Runs leaklab, and sends it a SIGINT at the Nth line of what starts, asks and ends its children: `N WITHIN ARGUMENTS`.

Only lines that a function called WITHIN runs, or has run, are counted. Says on standard error how many there were.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from leaklab import cli
from leaklab.lab import pair
from leaklab.measure import measurement, probes, sampler, target
from leaklab.services import client
from leaklab.system import interrupts, processes

MODULES = (client, contextlib, interrupts, measurement, pair, probes, processes, sampler, subprocess, target)
WHERE = {module.__file__ for module in MODULES}

at, within = int(sys.argv[1]), sys.argv[2]
sys.argv = ["leaklab", *sys.argv[3:]]
lines = itertools.count(1)


def enters(frame: FrameType, _event: str, _: object) -> Any:
    """Have the lines of these modules counted, but for those where Python itself drops what is raised."""
    if frame.f_code.co_filename not in WHERE:
        return None
    running = set()
    caller: FrameType | None = frame
    while caller is not None:
        running.add(caller.f_code.co_name)
        caller = caller.f_back
    return counts if within in running and "__del__" not in running else None


def counts(_frame: FrameType, event: str, _: object) -> Any:
    """Count a line, and at the right one send the signal."""
    if event in ("line", "return") and next(lines) == at:
        os.kill(os.getpid(), signal.SIGINT)
    return counts


begin, end = interrupts.end_by_signal, interrupts.ignore


def begin_and_count(handler: Callable[[int, FrameType | None], None] | None = None) -> None:
    """The signals mean something from here on."""
    begin(handler)
    sys.settrace(enters)


def end_and_tell() -> None:
    """All is over."""
    sys.settrace(None)
    end()
    sys.stderr.write(f"{next(lines) - 1} lines\n")


interrupts.end_by_signal, interrupts.ignore = begin_and_count, end_and_tell
cli.main()
