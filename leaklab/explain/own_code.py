"""Tells the half's own code from that of libraries, and finds the line of it that a stack goes through."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
LEAKLAB = tuple(os.path.join(_PACKAGE, room, "") for room in ("explain", "measure"))  # noqa: PTH118
"""Where the code lies that runs a half: it is never explained itself. Built-in scenarios may lie beside it."""

EVENT_LOOP = f"{os.sep}asyncio{os.sep}events.py"
"""Where `Handle._run` runs a task, or a callback: the frames below it are those of whoever started the loop."""


class Line(NamedTuple):
    """A line of code, and the function that it is in."""

    file: str
    line: int
    function: str

    @classmethod
    def of(cls, frame: FrameType) -> Line:
        """The line that a frame is at."""
        return cls(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name)


class OwnCode:
    """The code in one folder and below it, without the packages that are installed there."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder) + os.sep  # noqa: PTH100
        # A learner's file may lie beside the environment that runs it.
        inside = (os.path.abspath(prefix) + os.sep for prefix in (sys.prefix, sys.base_prefix))  # noqa: PTH100
        self._others = (*LEAKLAB, *(prefix for prefix in inside if prefix.startswith(self.folder)))
        self._known: dict[str, bool] = {}

    def has(self, file: str) -> bool:
        """Whether a file is part of it."""
        known = self._known.get(file)
        if known is None:
            rest = file[len(self.folder) :] if file.startswith(self.folder) else None
            known = rest is not None and "site-packages" not in rest and not file.startswith(self._others)
            self._known[file] = known
        return known

    def frames(self, frame: FrameType | None) -> tuple[FrameType | None, list[FrameType]]:
        """The nearest frame of this code, and those of libraries above it, the innermost first.

        The search ends where an event loop runs a task: what is below has only started the loop.
        """
        above: list[FrameType] = []
        for each in stack(frame):
            file = each.f_code.co_filename
            if each.f_code.co_name == "_run" and file.endswith(EVENT_LOOP):
                break
            if self.has(file):
                return each, above
            above.append(each)
        return None, above


def whole_stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of a stack, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The same without the frames of this program."""
    return (each for each in whole_stack(frame) if not each.f_code.co_filename.startswith(LEAKLAB))
