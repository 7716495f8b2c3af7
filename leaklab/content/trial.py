"""Keeps the code of scenario authors from taking leaklab with it: code that never ends, or that ends the process.

A `scenario.py` that is not built in is first tried in a process that may be lost. What it does later, in leaklab's own
process, has a time limit there.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from leaklab.system.processes import kill, signal_name

IMPORTED_WITHIN_S = 8.0
"""Seconds in which a `scenario.py` must be imported: it declares, and computes nothing, but a machine may be busy."""

ANSWERED_WITHIN_S = 10.0
"""Seconds in which a function of a scenario must answer."""

_AGAIN_S = 0.5
"""Seconds after which code that caught the first exception gets another one."""

_LAST_S = 3.0
"""Seconds in which it must have ended then; after that leaklab itself ends."""

_SET_PDEATHSIG = 1  # prctl(2)
_leave = os._exit


@dataclass(frozen=True, slots=True)
class _Attempt:
    pid: int
    came_to_its_end: int
    """A descriptor: one byte can be read from it if it did."""


def faults(paths: Iterable[Path], run: Callable[[Path], object]) -> dict[Path, str]:
    """What is wrong with each of these files, in words, where `run` of it does not come back; all are tried at once.

    What `run` raises is no matter here.
    """
    if not hasattr(os, "fork"):
        return {}
    attempts = {path: _begin(path, run) for path in paths}
    until = time.monotonic() + IMPORTED_WITHIN_S
    try:
        found = {path: _fault(attempt, until) for path, attempt in attempts.items()}
    finally:
        for attempt in attempts.values():
            kill(-attempt.pid)
            with contextlib.suppress(ChildProcessError):  # it has been waited for
                os.waitpid(attempt.pid, 0)
            os.close(attempt.came_to_its_end)
    return {path: words for path, words in found.items() if words is not None}


def _begin(path: Path, run: Callable[[Path], object]) -> _Attempt:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns where other threads run: the child uses nothing of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writing)
        # As in the child itself: whichever comes first.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        return _Attempt(pid, reading)
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        # Should leaklab be killed meanwhile, this ends all the same: at once on Linux, elsewhere after a while.
        with contextlib.suppress(OSError, AttributeError, ImportError):
            import ctypes

            ctypes.CDLL(None).prctl(_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(IMPORTED_WITHIN_S) + 2)
        faulthandler.disable()  # how it ends is told by its exit code
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        sys.stdout = sys.stderr = os.fdopen(nowhere, "w", encoding="utf-8")
        with contextlib.suppress(BaseException):
            run(path)
        os.write(writing, b"!")
    finally:
        _leave(0)


def _fault(attempt: _Attempt, until: float) -> str | None:
    while not (ended := os.waitpid(attempt.pid, os.WNOHANG))[0]:
        if time.monotonic() > until:
            return f"it is not imported within {IMPORTED_WITHIN_S:g} s: it loops, or waits for something"
        time.sleep(0.002)
    os.set_blocking(attempt.came_to_its_end, False)
    # Nothing may be there although others still could write: what it has started may go on.
    with contextlib.suppress(BlockingIOError):
        if os.read(attempt.came_to_its_end, 1):
            return None
    code = os.waitstatus_to_exitcode(ended[1])
    how = f"by {signal_name(-code)}" if code < 0 else f"with exit code {code}"
    return f"importing it ends Python {how}"


class ContainedError(BaseException):
    """Raised in an author's code, which is not expected to catch it; says in words what the code did."""


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """End the code of the block after a while, and do not let it end the process: both raise an error in it.

    Without a time limit in other threads than the main one: signals have no meaning there.
    """
    before, pid = os._exit, os.getpid()

    def refuse(code: int) -> NoReturn:
        if os.getpid() != pid:  # a child that it has forked
            _leave(code)
        raise ContainedError(f"it calls os._exit({code}), which would end leaklab")

    os._exit = refuse  # type: ignore[assignment] # the same but for the name of its argument
    try:
        with _time_limited():
            yield
    finally:
        os._exit = before


@contextlib.contextmanager
def _time_limited() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise ContainedError(f"it takes longer than {ANSWERED_WITHIN_S:g} s")

    before = signal.signal(signal.SIGALRM, too_long)
    # Code that catches all that is raised in it, or blocks the signal, ends leaklab, which says so; code that lets no
    # other thread run ends it without a word. What was started is cleared up by others then.
    last = threading.Timer(ANSWERED_WITHIN_S + _LAST_S, _give_up)
    last.daemon = True
    with Path(os.devnull).open("wb") as nowhere:
        try:
            last.start()
            faulthandler.dump_traceback_later(ANSWERED_WITHIN_S + 2 * _LAST_S, exit=True, file=nowhere)
            signal.setitimer(signal.ITIMER_REAL, ANSWERED_WITHIN_S, _AGAIN_S)
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            faulthandler.cancel_dump_traceback_later()
            last.cancel()


def _give_up() -> None:
    words = (
        f"leaklab: a function of a scenario takes longer than {ANSWERED_WITHIN_S:g} s, and cannot be ended. Repair it."
    )
    os.write(2, f"{words}\n".encode())
    _leave(2)
