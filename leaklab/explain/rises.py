"""Follows the lines of a half, to see in which of them its memory rises: nothing else says that it does."""

from __future__ import annotations

import os
import sys
import threading
from _thread import get_ident
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from leaklab.explain.own_code import Line, OwnCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

settrace = sys.settrace

MOST_LINES = 100_000
"""Lines that are followed, at most: a loop has many, and its code would take several times as long."""


MOST_SHARE = 0.9
"""The share of what it rose by that is most of it."""


class Rises:
    """The memory of this process in RAM, and the lines of the half in which it rises.

    Args:
        own: the half's own code.
        wanted: bytes by which it rose when it was measured; 0 if its memory is not to be explained.
        reached: is called once, in the line after that in which it has risen by most of that.
    """

    def __init__(self, own: OwnCode, wanted: float, reached: Callable[[], None]) -> None:
        self._own = own
        self._wanted = wanted
        self._reached: Callable[[], None] | None = reached
        self._page = os.sysconf("SC_PAGE_SIZE")
        if wanted:
            import tracemalloc  # here: it takes as long to import as all of this

            self._tracing = tracemalloc.get_tracemalloc_memory
            try:
                self._file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:  # another system than Linux: no line is found in this way
                self._wanted = 0
        self._base = self._last = 0
        self._followed = 0
        self._last_line: Line | None = None
        self._at: dict[int, Line] = {}
        self._risen: Counter[Line] = Counter()

    def begin(self) -> None:
        """The half begins now."""
        if self._wanted:
            self._base = self._last = self._now()
            threading.settrace(self._call)
            settrace(self._call)

    def has_risen(self, share: float) -> bool:
        """Whether it has risen by this share of what it rose by when it was measured; True where that is unknown."""
        return not self._wanted or self._now() - self._base >= share * self._wanted

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """What the memory rises by in this block is not the half's."""
        before = self._now() if self._wanted else 0
        yield
        if self._wanted:
            self._last = self._now()
            self._base += self._last - before

    def line(self) -> Line | None:
        """The line in which it rose most; None if that is less than half of it.

        What it rises by after so many lines that they are not followed any more, it rises by in the same loop.
        """
        if not self._wanted:
            return None
        if self._last_line is not None:
            loop, _ = max(self._risen.items(), key=lambda item: item[1], default=(self._last_line, 0))
            self._risen[loop] += max(0, self._now() - self._last)
            self._last_line = None
        line, most = max(self._risen.items(), key=lambda item: item[1], default=(None, 0))
        return line if most >= self._wanted / 2 else None

    def _now(self) -> int:
        """/proc/PID/statm, its second number (proc(5)), without what it takes to trace allocations."""
        return int(os.pread(self._file, 100, 0).split()[1]) * self._page - self._tracing()

    def _call(self, frame: FrameType, *_: object) -> Any:
        return self._line if self._own.has(frame.f_code.co_filename) else None

    def _line(self, frame: FrameType, *_: object) -> Any:
        ident, now = get_ident(), self._now()
        before = self._at.get(ident)
        if before is not None and now > self._last:
            self._risen[before] += now - self._last
        self._last, self._at[ident] = now, Line.of(frame)
        self._followed += 1
        if self._reached is not None and now - self._base >= MOST_SHARE * self._wanted:
            reached, self._reached = self._reached, None
            reached()
        if self._followed < MOST_LINES:
            return self._line
        self._last_line = Line.of(frame)
        settrace(None)
        return None
