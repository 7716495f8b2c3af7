"""Ctrl-C, SIGTERM and SIGHUP end a command. They are deferred while a resource is being acquired, so nothing leaks.

Python runs a signal's handler between any two instructions of the main thread (documentation of `signal`, "Execution of
Python signal handlers"): also after a process was started and before the `with` that is to end it was entered.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

SAME_S = 0.5
"""Seconds within which a second signal counts as the first: a terminal sends it to a whole group, and a parent in that
group may pass it on."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

_held = 0
_waiting = False
_raised_at = float("-inf")
_number: int = signal.SIGINT


def end_by_signal(handler: Callable[[int, FrameType | None], None] | None = None) -> None:
    """From now on, each of these signals raises KeyboardInterrupt in the main thread, or calls `handler`.

    A hang-up that was ignored when leaklab was started stays so: `nohup` is to be trusted.
    """
    if hasattr(signal, "SIGCHLD"):
        # Where a parent ignored it, nobody could wait for a child.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in _SIGNALS:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler or _on_signal)


def ignore() -> None:
    """From now on, ignore these signals: everything is ended, and the exit code is decided."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[None]:
    """Defer the signals of `end_by_signal` to the end of the block."""
    global _held  # noqa: PLW0603 # a process has its signals once
    _held += 1
    try:
        yield
    finally:
        _held -= 1
        if _waiting and not _held:
            _raise()


class Owner(ExitStack[None]):
    """An ExitStack that a signal cannot make lose an entry: what was entered is left again.

    None of its entries may suppress an exception.
    """

    def enter_context(self, cm: AbstractContextManager[T, None]) -> T:
        """Enter `cm`; a signal that comes meanwhile raises once the stack owns it."""
        with held_back():
            return super().enter_context(cm)

    def __exit__(self, *details: Any) -> None:
        """Leave everything; a signal that comes meanwhile raises afterwards."""
        with held_back():
            super().__exit__(*details)


def last_signal() -> int:
    """The number of the signal that raised KeyboardInterrupt last."""
    return _number


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _waiting, _number  # noqa: PLW0603 # as above
    if time.monotonic() - _raised_at < SAME_S:
        return
    _number = number
    if _held or _is_leaving(frame):
        _waiting = True
    else:
        _raise()


def _is_leaving(frame: FrameType | None) -> bool:
    """Whether an owner has just begun to leave, and does not defer signals yet."""
    while frame is not None and frame.f_code is not Owner.__exit__.__code__:
        frame = frame.f_back
    return frame is not None


def _raise() -> None:
    global _waiting, _raised_at  # noqa: PLW0603 # as above
    _waiting = False
    _raised_at = time.monotonic()
    raise KeyboardInterrupt
