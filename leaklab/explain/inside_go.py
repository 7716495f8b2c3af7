"""What a witness in Go gives, the stacks of its goroutines and its memory in use, as groups of what is there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from leaklab.explain.evidence import ReportedGroup, ReportedLine
from leaklab.golang.stacks import Frame, Goroutine, goroutines, innermost
from leaklab.metrics import CONNECTIONS_OPENED, ELAPSED, RSS, SOCKETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOROUTINES = "goroutines"

CALL = "worker.(*worker).call"
"""The call of the lab's own worker that calls the half: its goroutine is the caller."""

CONNECTION = "net/http.(*persistConn).readLoop"
"""The goroutine that Go's HTTP client has for each connection (net/http/transport.go)."""


class _Allocated(Struct, frozen=True):
    """Memory in use: bytes, and the calls that allocated it, the innermost first."""

    bytes: Annotated[int, Meta(ge=1, le=2**53)]
    stack: list[tuple[str, int, str]]


def groups_in_go(stacks: str, heap: list[Any], folder: Path) -> list[ReportedGroup]:
    """The groups of what is there, by counter; `folder` is that of the half. None of what is not as it should be.

    A connection of the HTTP client is known by its goroutine; of sessions and cursors Go keeps no list.
    """
    counted = Counter(group for each in goroutines(stacks) for group in _of_goroutine(each, folder))
    groups = [msgspec.structs.replace(group, count=count) for group, count in counted.items()]
    try:
        allocated = msgspec.convert(heap, list[_Allocated])
    except msgspec.ValidationError:
        allocated = []
    memory = Counter[ReportedLine]()
    for one in allocated:
        frames = [Frame(function, file, line) for file, line, function in one.stack]
        if (place := innermost(frames, folder)) is not None:
            memory[_reported(place)] += one.bytes
    groups += [
        ReportedGroup(
            RSS.counter, size, "memory", place, None, None, True, "", "a reference that the heap profile does not name"
        )
        for place, size in memory.items()
    ]
    return sorted(groups, key=lambda group: -group.count)


def _of_goroutine(one: Goroutine, folder: Path) -> Iterator[ReportedGroup]:
    """The groups that one goroutine belongs to, of which it is one."""
    where = innermost(one.frames, folder)
    waits = None if where is None else _reported(where)
    if any(CALL in frame.function for frame in one.frames):
        if waits is not None:
            yield ReportedGroup(ELAPSED.counter, 1, f"the caller, {one.state}", None, None, waits, True, "", "")
        return
    started = innermost(one.creators, folder)
    opened = None if started is None else _reported(started)
    ever = ", which can never go on" if one.is_leaked else ""
    root = one.frames[-1].function if one.frames else ""
    note = f"a goroutine in {root} [{one.state}]" if waits is None else f"{one.state}{ever}"
    yield ReportedGroup(GOROUTINES, 1, f"goroutine, {one.state}", opened, None, waits, False, "", note)
    if root == CONNECTION:
        what = "connection of net/http"
        yield ReportedGroup(SOCKETS, 1, what, opened, None, None, False, "", note)
        yield ReportedGroup(CONNECTIONS_OPENED.counter, 1, what, opened, None, None, False, "still open", "")


def _reported(frame: Frame) -> ReportedLine:
    return ReportedLine(frame.file, frame.line, frame.name)
