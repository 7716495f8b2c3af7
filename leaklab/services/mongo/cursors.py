"""The server-side cursors: what a cursor still has to give, and the table of those that are open."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Scan(Protocol):
    """Where a cursor's documents come from, encoded."""

    @property
    def exhausted(self) -> bool:
        """Whether the server knows that nothing will follow."""

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """Return the next documents: at most `count` (None: any number) of `max_bytes`, but at least one."""


ScanT = TypeVar("ScanT", bound=Scan)


class SnapshotScan:
    """Reads a sequence of encoded documents that it shares with every other cursor over the same result.

    After the last document a plain scan does not know yet that it was the last: the real server returns a
    batch as soon as it is full, keeps the cursor, and finds the end on the next getMore, which is empty. A
    plan that counts (limit) or has everything in memory (sort) does know: `knows_end`. Source: MongoDB's
    `shouldSaveCursor` (src/mongo/db/query/find.cpp): kept unless `exec->isEOF()`, and a collection scan is at
    EOF only after it was asked for one more.
    """

    __slots__ = ("_documents", "_ended", "_knows_end", "_position")

    def __init__(self, documents: Sequence[bytes], *, knows_end: bool) -> None:
        self._documents = documents
        self._knows_end = knows_end
        self._position = 0
        self._ended = False

    @property
    def exhausted(self) -> bool:
        """Whether the end was seen, or is known."""
        return self._ended or (self._knows_end and self._position >= len(self._documents))

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """Return the next batch; see `Scan.take`."""
        batch: list[bytes] = []
        size = 0
        while count is None or len(batch) < count:
            if self._position >= len(self._documents):
                self._ended = True
                # An exhausted cursor may be kept by nobody, but must not keep what it read.
                self._documents, self._position = (), 0
                break
            raw = self._documents[self._position]
            size += len(raw)
            if batch and size > max_bytes:
                break
            batch.append(raw)
            self._position += 1
        return batch


@dataclass(slots=True)
class OpenCursor(Generic[ScanT]):
    """One open cursor. `used_at` is the table's clock, in seconds; `pinned` while a getMore works on it."""

    cursor_id: int
    namespace: str
    scan: ScanT
    no_timeout: bool
    await_data: bool
    used_at: float
    pinned: bool = False
    killed: bool = False


class TooManyCursorsError(RuntimeError):
    """The table is full: `max_open` cursors are open."""


class CursorTable(Generic[ScanT]):
    """Every open cursor of a server by its id; each operation takes the same time however many are open.

    An idle cursor ends after `timeout_s` seconds, unless it was opened with `no_timeout` or is pinned.
    Source: MongoDB manual, "MongoDB Server Parameters", `cursorTimeoutMillis` (600000 unless set).
    """

    def __init__(self, *, timeout_s: float, max_open: int, clock: Callable[[], float]) -> None:
        self.timeout_s = timeout_s
        self.max_open = max_open
        self.peak = 0
        self.opened_total = 0
        self.timed_out = 0
        self.no_timeout = 0
        self.pinned = 0
        self._clock = clock
        self._cursors: dict[int, OpenCursor[ScanT]] = {}
        # The cursors that can time out, longest idle first. A plain dict gets slow at finding its first.
        self._idle: OrderedDict[int, OpenCursor[ScanT]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cursors)

    def open(
        self, namespace: str, scan: ScanT, *, no_timeout: bool = False, await_data: bool = False
    ) -> OpenCursor[ScanT]:
        """Keep `scan` as a new cursor.

        Raises TooManyCursorsError.
        """
        if len(self._cursors) >= self.max_open:
            raise TooManyCursorsError(f"{self.max_open} cursors are open already; close some")
        cursor = OpenCursor(self._new_id(), namespace, scan, no_timeout, await_data, self._clock())
        self._cursors[cursor.cursor_id] = cursor
        if no_timeout:
            self.no_timeout += 1
        else:
            self._idle[cursor.cursor_id] = cursor
        self.opened_total += 1
        self.peak = max(self.peak, len(self._cursors))
        return cursor

    def _new_id(self) -> int:
        """Return a free positive int64; random as on the real server, so that no client guesses another's."""
        while True:
            cursor_id = int.from_bytes(os.urandom(8), "little") >> 1
            if cursor_id and cursor_id not in self._cursors:
                return cursor_id

    def get(self, cursor_id: int) -> OpenCursor[ScanT] | None:
        """Return the open cursor of that id, or None."""
        return self._cursors.get(cursor_id)

    def pin(self, cursor: OpenCursor[ScanT]) -> None:
        """Begin work on a cursor: meanwhile it cannot time out."""
        cursor.pinned = True
        self.pinned += 1
        self._idle.pop(cursor.cursor_id, None)

    def unpin(self, cursor: OpenCursor[ScanT]) -> None:
        """End work on a cursor; its idle time starts anew."""
        if not cursor.pinned:
            return
        cursor.pinned = False
        self.pinned -= 1
        cursor.used_at = self._clock()
        if not cursor.no_timeout and cursor.cursor_id in self._cursors:
            self._idle[cursor.cursor_id] = cursor

    def close(self, cursor_id: int) -> OpenCursor[ScanT] | None:
        """End a cursor and return it, marked `killed`; None if none of that id is open."""
        cursor = self._cursors.pop(cursor_id, None)
        if cursor is None:
            return None
        cursor.killed = True
        self._idle.pop(cursor_id, None)
        if cursor.no_timeout:
            self.no_timeout -= 1
        return cursor

    def expire(self) -> int:
        """End every cursor that was idle for `timeout_s`; returns how many."""
        now = self._clock()
        ended = 0
        while self._idle:
            cursor = next(iter(self._idle.values()))
            if cursor.used_at + self.timeout_s > now:
                break
            self.close(cursor.cursor_id)
            ended += 1
        self.timed_out += ended
        return ended

    def next_expiry(self) -> float | None:
        """When, on the table's clock, the longest idle cursor times out; None if none can."""
        if not self._idle:
            return None
        return next(iter(self._idle.values())).used_at + self.timeout_s

    def clear(self) -> None:
        """End every cursor; not counted as timed out."""
        for cursor_id in list(self._cursors):
            self.close(cursor_id)
