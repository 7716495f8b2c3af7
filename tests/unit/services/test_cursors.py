"""The server-side cursors: batches, the table and its timeouts, on a clock that the tests turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.services.mongo.command_error import CommandError
from leaklab.services.mongo.cursors import CursorTable, ServerCursor, SnapshotScan

MIB = 2**20
DOCUMENTS = [b"%03d" % i for i in range(10)]
now = 1000.0


@pytest.fixture
def table() -> CursorTable:
    return CursorTable(timeout_s=600, max_open=20, clock=lambda: now)


def wait(seconds: float) -> None:
    globals()["now"] = now + seconds


def opened(table: CursorTable, *, no_timeout: bool = False) -> ServerCursor:
    cursor = ServerCursor("lab.c", SnapshotScan(DOCUMENTS, knows_end=False), no_timeout=no_timeout)
    table.open(cursor)
    return cursor


@given(
    st.lists(st.integers(0, 40), max_size=30),
    st.lists(st.tuples(st.none() | st.integers(0, 12), st.integers(1, 100)), max_size=60),
    st.booleans(),
)
def test_batches_put_together_are_the_result(sizes: list[int], asks: list[tuple[int | None, int]], ends: bool) -> None:
    documents = [bytes([i]) * size for i, size in enumerate(sizes)]
    scan = SnapshotScan(documents, knows_end=ends)
    read: list[bytes] = []
    for count, max_bytes in asks:
        batch = scan.take(count, max_bytes)
        assert len(batch) <= (count if count is not None else len(documents))
        assert len(batch) <= 1 or sum(map(len, batch)) <= max_bytes
        read += batch
    read += scan.take(None, 10_000)
    assert (read, scan.exhausted) == (documents, True)


def test_cursors_are_counted_while_open(table: CursorTable) -> None:
    ids = {opened(table).cursor_id for _ in range(20)}
    assert (len(table), table.peak, table.opened_total, len(ids)) == (20, 20, 20, 20)
    assert all(0 < cursor_id < 2**63 for cursor_id in ids)
    with pytest.raises(CommandError, match="20 cursors are open"):
        opened(table)
    for cursor in table:
        assert table.get(cursor.cursor_id) is cursor
        assert [table.close(cursor.cursor_id) for _ in range(2)] == [True, False]
        assert (cursor.killed, table.get(cursor.cursor_id)) == (True, None)
    opened(table)
    assert (len(table), table.peak, table.opened_total) == (1, 20, 21)


def test_an_idle_cursor_times_out_and_use_starts_its_time_anew(table: CursorTable) -> None:
    used, idle = opened(table), opened(table)
    wait(500)
    table.pin(used)
    assert table.pinned == 1
    table.unpin(used)
    wait(99.5)
    table.expire()
    assert len(table) == 2
    wait(0.5)
    table.expire()
    assert (table.timed_out, table.pinned, table.next_expiry()) == (1, 0, now + 500)
    assert (table.get(idle.cursor_id), table.get(used.cursor_id)) == (None, used)


def test_a_pinned_cursor_does_not_time_out_nor_one_that_must_not(table: CursorTable) -> None:
    pinned, kept = opened(table), opened(table, no_timeout=True)
    table.pin(pinned)
    wait(1_000_000)
    table.expire()
    assert (len(table), table.no_timeout, table.next_expiry()) == (2, 1, None)
    table.unpin(pinned)
    assert table.next_expiry() == now + 600
    table.close(kept.cursor_id)
    assert (table.no_timeout, table.timed_out) == (0, 0)
