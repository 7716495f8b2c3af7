"""Bounds how long one call into mongomock can keep every other client waiting."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from leaklab.services.mongo.command_error import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

T = TypeVar("T")

LIMIT_S = 0.4
"""CPU seconds (user and system) that one call may take: a busy machine adds none to an honest query."""
_AGAIN_S = 1.0  # a second alarm, should the first have been lost in a destructor, where Python drops exceptions
_LATER_S = 0.002  # the alarm came while a lock was being taken or given back: ask again soon
# An exception in the middle of a lock's bookkeeping would leave the lock taken for good.
_LOCKING = {"contextlib", "threading", "mongomock.thread", "mongomock.store"}


class _OutOfTimeError(BaseException):
    """Raised out of a signal handler; no `except Exception` inside mongomock can catch it."""


class TimeLimit:
    """Interrupts calls by SIGPROF, also inside a regular expression: `re` looks for signals while it matches.

    Signals belong to the process and its main thread. So there is one limit for all servers of a process, which
    the first one switches on and the last one off; in a server that runs in another thread calls are unlimited.
    """

    def __init__(self) -> None:
        self._users = 0
        self._previous: Any = signal.SIG_DFL
        self._is_armed = False

    def switch_on(self) -> bool:
        """Take over SIGPROF for one more server; False, and nothing to switch off, outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return False
        if not self._users:
            self._previous = signal.signal(signal.SIGPROF, self._on_alarm)
        self._users += 1
        return True

    def switch_off(self) -> None:
        """Let go of SIGPROF for one server; the last one restores the handler that was there before."""
        self._users -= 1
        if not self._users:
            signal.signal(signal.SIGPROF, self._previous or signal.SIG_DFL)

    def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises CommandError MaxTimeMSExpired if it had to be broken off."""
        if not self._users or threading.current_thread() is not threading.main_thread():
            return work()
        before = signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
        try:
            self._is_armed = True
            try:
                return work()
            finally:
                # From its first line on no alarm raises. One that came just before is caught below: then the work
                # was done, and counts as broken off.
                self._disarm(before)
        except _OutOfTimeError:
            self._disarm(before)
        raise CommandError(50, f"operation exceeded time limit of {LIMIT_S} s in the embedded server: use --mongo URI")

    def _disarm(self, before: tuple[float, float]) -> None:
        self._is_armed = False
        signal.setitimer(signal.ITIMER_PROF, *before)

    def _on_alarm(self, _signal: int, frame: FrameType | None) -> None:
        if not self._is_armed:
            return
        while frame is not None and (module := frame.f_globals.get("__name__")) != __name__:
            if module in _LOCKING:
                signal.setitimer(signal.ITIMER_PROF, _LATER_S)
                return
            frame = frame.f_back
        signal.setitimer(signal.ITIMER_PROF, _AGAIN_S)
        raise _OutOfTimeError


TIME_LIMIT = TimeLimit()
"""The one of this process."""
