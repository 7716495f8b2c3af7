"""Where a thread, or a task, is now: the line of the half that waits."""

from __future__ import annotations

import sys
import types
from itertools import chain
from typing import TYPE_CHECKING, Any

from leaklab.explain.own_code import Line, stack
from leaklab.explain.safely import attributes, bases_of, is_a, module_of, type_name

if TYPE_CHECKING:
    from leaklab.explain.own_code import OwnCode

current_frames = sys._current_frames


def of(thing: object, own: OwnCode) -> Line | None:
    """The line of the half that a thread or a task is at; None for anything else, or if it is at none."""
    if thing is None:
        return None
    if is_a(thing, sys.modules["threading"].Thread):
        ident = attributes(thing).get("_ident")
        return of_thread(ident, own) if type(ident) is int else None
    task: Any = next((kind for kind in bases_of(type(thing)) if type_name(kind) == "Task"), None)
    return None if task is None or "asyncio" not in module_of(task) else of_coroutine(task.get_coro(thing), own)


def of_thread(ident: int, own: OwnCode) -> Line | None:
    """The nearest line of the half in a thread's stack; if there is none, what it has called of a library."""
    frames = list(stack(current_frames().get(ident)))
    nearest = (frame for frame in frames if own.has(frame.f_code.co_filename))
    library = (frame for frame in reversed(frames) if "site-packages" in frame.f_code.co_filename)
    return next(map(Line.of, chain(nearest, library)), None)


def of_coroutine(coroutine: object, own: OwnCode) -> Line | None:
    """The innermost line of the half that a coroutine waits in, through all that it awaits."""
    found = None
    for _ in range(100):
        if type(coroutine) is types.CoroutineType:
            frame, coroutine = coroutine.cr_frame, coroutine.cr_await
        elif type(coroutine) is types.GeneratorType:
            frame, coroutine = coroutine.gi_frame, coroutine.gi_yieldfrom
        else:
            break
        if frame is not None and own.has(frame.f_code.co_filename):
            found = Line.of(frame)
    return found
