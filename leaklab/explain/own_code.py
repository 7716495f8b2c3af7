"""Tells the half's own code from that of libraries, and finds the line of it that a stack goes through."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
LEAKLAB = tuple(os.path.join(_PACKAGE, room, "") for room in ("explain", "measure", "testing"))  # noqa: PTH118
"""Where the code lies that runs a half, or watches a test: it is never explained itself. Built-in scenarios may lie
beside it."""

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
        self.folder = _with_separator(folder)
        self._folders: tuple[str, ...] = ()
        self._others: tuple[str, ...] = LEAKLAB
        self._known: dict[str, bool] = {}
        self.add(folder)

    def add(self, folder: str) -> None:
        """From now on, the code in this folder is part of it, too."""
        self._folders += (_with_separator(folder),)
        # A learner's file may lie beside the environment that runs it.
        inside = map(_with_separator, (sys.prefix, sys.base_prefix))
        self._others += tuple(prefix for prefix in inside if prefix.startswith(self._folders[-1]))
        self._known.clear()

    def covers(self, folder: str) -> bool:
        """Whether what is in a folder is part of it."""
        return _with_separator(folder).startswith(self._folders)

    def has(self, file: str) -> bool:
        """Whether a file is part of it."""
        known = self._known.get(file)
        if known is None:
            folder = next((each for each in self._folders if file.startswith(each)), None)
            rest = "" if folder is None else file[len(folder) :]
            known = folder is not None and "site-packages" not in rest and not file.startswith(self._others)
            self._known[file] = known
        return known

    def frames(self, frame: FrameType | None) -> tuple[FrameType | None, list[FrameType]]:
        """The nearest frame of this code, and those of libraries above it, the innermost first.

        The search ends where an event loop runs a task: what is below has only started the loop.
        """
        above: list[FrameType] = []
        known = self._known
        while frame is not None:
            # A stack is deep, and this is called often: what is known of its files is looked up here.
            file = frame.f_code.co_filename
            is_own = known.get(file)
            if self.has(file) if is_own is None else is_own:
                return frame, above
            if frame.f_code.co_name == "_run" and file.endswith(EVENT_LOOP):
                break
            if not file.startswith(LEAKLAB):
                above.append(frame)
            frame = frame.f_back
        return None, above


def is_of_a_library(folder: str) -> bool:
    """Whether what is in a folder belongs to Python itself, or to a package that is installed."""
    standard = _with_separator(os.path.dirname(os.__file__))  # noqa: PTH120
    return "site-packages" in folder or _with_separator(folder).startswith(standard)


def _with_separator(folder: str) -> str:
    return os.path.join(os.path.abspath(folder), "")  # noqa: PTH100, PTH118


def whole_stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of a stack, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """The same without the frames of this program."""
    return (each for each in whole_stack(frame) if not each.f_code.co_filename.startswith(LEAKLAB))
