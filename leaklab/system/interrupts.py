"""Ctrl-C, SIGTERM and SIGHUP: each ends a command, and none of them between something's start and its having an owner.

Python runs a signal's handler between any two instructions of the main thread (documentation of `signal`, "Execution of
Python signal handlers"): also after a process was started and before the `with` that is to end it was entered.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType, TracebackType
from typing import TypeVar

T = TypeVar("T")

SAME_S = 0.5
"""Seconds within which a second signal is the first one over again: a terminal sends it to all of a group, and a parent
in that group may pass on what it got."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

_held = 0
_waiting = False
_raised_at = float("-inf")


def end_by_signal() -> None:
    """From now on, a KeyboardInterrupt in the main thread is what each of these signals causes."""
    for number in _SIGNALS:
        signal.signal(number, _on_signal)


def ignore() -> None:
    """From now on, none of these signals does anything: all is ended, and the exit code is decided."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[None]:
    """Within it no signal of `end_by_signal` raises anything; one that came meanwhile does at the end."""
    global _held  # noqa: PLW0603 # a process has its signals once
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if _waiting and not _held:
            _raise()


class Owner(ExitStack[None]):
    """An ExitStack whose entries cannot be lost to a signal: what was entered is left, come what may.

    None of its entries may suppress an exception.
    """

    def enter_context(self, cm: AbstractContextManager[T, None]) -> T:
        """Enter `cm`; a signal that comes meanwhile raises when it is owned."""
        with held_back():
            return super().enter_context(cm)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave all that was entered; a signal that comes meanwhile raises afterwards."""
        with held_back():
            super().__exit__(kind, error, trace)


def _on_signal(_number: int, frame: FrameType | None) -> None:
    global _waiting  # noqa: PLW0603 # as above
    if time.monotonic() - _raised_at < SAME_S:
        return
    if _held or _is_leaving(frame):
        _waiting = True
    else:
        _raise()


def _is_leaving(frame: FrameType | None) -> bool:
    """Whether an owner was just called to leave what it has, and does not hold signals back yet."""
    while frame is not None and frame.f_code is not Owner.__exit__.__code__:
        frame = frame.f_back
    return frame is not None


def _raise() -> None:
    global _waiting, _raised_at  # noqa: PLW0603 # as above
    _waiting = False
    _raised_at = time.monotonic()
    raise KeyboardInterrupt
