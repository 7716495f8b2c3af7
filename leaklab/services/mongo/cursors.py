"""The server-side cursors: what a cursor still has to give, and the table of those that are open."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from leaklab.services.mongo.command_error import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from leaklab.services.mongo.store import Query, StoredCollection


class SnapshotScan:
    """Reads a sequence of encoded documents that it shares with every other cursor over the same result.

    After the last document a plain scan does not know yet that it was the last: the real server returns a
    batch as soon as it is full, keeps the cursor, and finds the end on the next getMore, which is empty. A
    plan that counts (limit) or has everything in memory (sort) does know: `knows_end`. Source: MongoDB's
    `shouldSaveCursor` (src/mongo/db/query/find.cpp): kept unless `exec->isEOF()`, and a collection scan is at
    EOF only after it was asked for one more.
    """

    __slots__ = ("_documents", "_knows_end", "_position", "exhausted")

    def __init__(self, documents: Sequence[bytes], *, knows_end: bool) -> None:
        self._documents = documents
        self._knows_end = knows_end
        self._position = 0
        self.exhausted = knows_end and not documents

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """Return the next documents: at most `count` (None: any number) of `max_bytes`, but at least one."""
        batch: list[bytes] = []
        size = 0
        while (count is None or len(batch) < count) and self._position < len(self._documents):
            raw = self._documents[self._position]
            size += len(raw)
            if batch and size > max_bytes:
                return batch
            batch.append(raw)
            self._position += 1
        is_full = count is not None and len(batch) >= count
        if self._position >= len(self._documents) and (self._knows_end or not is_full):
            self.exhausted = True
            self._documents, self._position = (), 0  # a cursor at its end keeps nothing
        return batch


class TailableScan:
    """Follows a capped collection in insertion order; it never ends by itself."""

    __slots__ = ("_collection", "_left", "_place", "_query", "_skip")

    exhausted = False

    def __init__(self, collection: StoredCollection, query: Query) -> None:
        self._collection = collection
        self._query = query
        self._place = 0
        self._skip = query.skip
        self._left = query.limit or None

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """Return the next documents, none if nothing new is there; see SnapshotScan. Raises CommandError."""
        batch: list[bytes] = []
        size = 0
        if self._left is not None:
            count = self._left if count is None else min(count, self._left)
        for place, found in self._collection.records_after(self._place, self._query):
            if found is not None and self._skip:
                self._skip -= 1
            elif found is not None:
                size += len(found)
                if len(batch) == count or (batch and size > max_bytes):
                    break
                batch.append(found)
            self._place = place
        if self._left is not None:
            self._left -= len(batch)
        return batch


@dataclass(slots=True, eq=False)
class ServerCursor:
    """One cursor: what it reads, the collection whose fate it shares (if any), and the session it may be read in.

    The table gives it its id and sets `used_at` by its clock, in seconds; `pinned` while a getMore works on it.
    """

    namespace: str
    scan: SnapshotScan | TailableScan
    collection: StoredCollection | None = None
    session: bytes | None = None
    no_timeout: bool = False
    await_data: bool = False
    cursor_id: int = 0
    used_at: float = 0.0
    pinned: bool = False
    killed: bool = False

    def take(self, count: int | None, max_bytes: int) -> list[bytes]:
        """Return the next documents, see SnapshotScan. Raises CommandError QueryPlanKilled, CursorKilled ..."""
        if self.killed:
            raise CommandError(237, f"cursor id {self.cursor_id} was killed")
        if self.collection is not None and self.collection.dropped:
            raise CommandError(175, f"collection dropped. ns: {self.collection.namespace}")
        return self.scan.take(count, max_bytes)


class CursorTable:
    """Every open cursor of a server by its id; each operation takes the same time however many are open.

    An idle cursor ends after `timeout_s` seconds, unless it was opened with `no_timeout` or is pinned.
    Source: MongoDB manual, "MongoDB Server Parameters", `cursorTimeoutMillis` (600000 unless set).
    """

    def __init__(self, *, timeout_s: float, max_open: int, clock: Callable[[], float]) -> None:
        self._timeout_s = timeout_s
        self._max_open = max_open
        self._clock = clock
        self.peak = self.opened_total = self.timed_out = self.no_timeout = self.pinned = 0
        # Those that can time out, longest idle first (a plain dict gets slow at finding its first); and all others.
        self._idle: OrderedDict[int, ServerCursor] = OrderedDict()
        self._others: dict[int, ServerCursor] = {}

    def __len__(self) -> int:
        return len(self._idle) + len(self._others)

    def __iter__(self) -> Iterator[ServerCursor]:
        return iter(list(chain(self._idle.values(), self._others.values())))

    def open(self, cursor: ServerCursor) -> None:
        """Take a cursor in, under a new id. Raises CommandError ExceededMemoryLimit if the table is full."""
        if len(self) >= self._max_open:
            raise CommandError(146, f"{self._max_open} cursors are open already; close some")
        while not cursor.cursor_id or self.get(cursor.cursor_id) is not None:
            # A positive int64, random as on the real server, so that no client guesses another's.
            cursor.cursor_id = int.from_bytes(os.urandom(8), "little") >> 1
        self._file(cursor)
        self.no_timeout += cursor.no_timeout
        self.opened_total += 1
        self.peak = max(self.peak, len(self))

    def _file(self, cursor: ServerCursor) -> None:
        cursor.used_at = self._clock()
        (self._others if cursor.no_timeout or cursor.pinned else self._idle)[cursor.cursor_id] = cursor

    def _remove(self, cursor_id: int) -> ServerCursor | None:
        return self._idle.pop(cursor_id, None) or self._others.pop(cursor_id, None)

    def get(self, cursor_id: int) -> ServerCursor | None:
        """Return the open cursor of that id, or None."""
        return self._idle.get(cursor_id) or self._others.get(cursor_id)

    def pin(self, cursor: ServerCursor) -> None:
        """Begin work on an open cursor: meanwhile it cannot time out."""
        self._remove(cursor.cursor_id)
        cursor.pinned = True
        self.pinned += 1
        self._file(cursor)

    def unpin(self, cursor: ServerCursor) -> None:
        """End work on a cursor; its idle time starts anew."""
        if cursor.pinned:
            cursor.pinned = False
            self.pinned -= 1
            if self._remove(cursor.cursor_id) is not None:
                self._file(cursor)

    def close(self, cursor_id: int) -> bool:
        """End a cursor, and the getMore that waits on it; False if none of that id is open."""
        cursor = self._remove(cursor_id)
        if cursor is None:
            return False
        cursor.killed = True
        self.no_timeout -= cursor.no_timeout
        if cursor.pinned and cursor.collection is not None:
            cursor.collection.notify()
        return True

    def next_expiry(self) -> float | None:
        """When, on the table's clock, the longest idle cursor times out; None if none can."""
        return next(iter(self._idle.values())).used_at + self._timeout_s if self._idle else None

    def expire(self) -> None:
        """End every cursor that was idle for too long."""
        while (due := self.next_expiry()) is not None and due <= self._clock():
            self.close(next(iter(self._idle)))
            self.timed_out += 1
