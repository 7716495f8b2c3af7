"""The server-side cursors: batches, the table and its timeouts, on a clock that the tests turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.services.mongo.command_error import CommandError
from leaklab.services.mongo.cursors import CursorTable, ServerCursor, SnapshotScan

MIB = 2**20
DOCUMENTS = [b"%03d" % i for i in range(10)]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> CursorTable:
    return CursorTable(timeout_s=600, max_open=20, clock=clock)


def scan(*, knows_end: bool = False) -> SnapshotScan:
    return SnapshotScan(DOCUMENTS, knows_end=knows_end)


def opened(table: CursorTable, *, no_timeout: bool = False) -> ServerCursor:
    cursor = ServerCursor("lab.c", scan(), no_timeout=no_timeout)
    table.open(cursor)
    return cursor


# ---- batches


def test_batches_are_read_in_order_and_the_last_one_is_short() -> None:
    reading = scan()
    assert [reading.take(4, MIB) for _ in range(3)] == [DOCUMENTS[:4], DOCUMENTS[4:8], DOCUMENTS[8:]]
    assert reading.exhausted


def test_a_full_batch_does_not_know_that_it_was_the_last() -> None:
    reading = scan()
    assert (reading.take(0, MIB), reading.exhausted) == ([], False)
    assert (reading.take(10, MIB), reading.exhausted) == (DOCUMENTS, False)
    assert (reading.take(10, MIB), reading.exhausted) == ([], True)


def test_a_plan_that_knows_its_end_is_exhausted_with_its_last_document() -> None:
    reading = scan(knows_end=True)
    reading.take(9, MIB)
    assert not reading.exhausted
    reading.take(1, MIB)
    assert reading.exhausted
    assert SnapshotScan((), knows_end=True).exhausted


def test_a_batch_is_bounded_in_bytes_but_never_empty() -> None:
    reading = scan()
    assert reading.take(None, 6) == DOCUMENTS[:2]
    assert reading.take(None, 1) == DOCUMENTS[2:3]
    assert reading.take(None, MIB) == DOCUMENTS[3:]


@given(
    st.lists(st.integers(0, 40), max_size=30),
    st.lists(st.tuples(st.none() | st.integers(0, 12), st.integers(1, 100)), max_size=60),
    st.booleans(),
)
def test_batches_put_together_are_the_result(
    sizes: list[int], asks: list[tuple[int | None, int]], knows_end: bool
) -> None:
    documents = [bytes([i]) * size for i, size in enumerate(sizes)]
    reading = SnapshotScan(documents, knows_end=knows_end)
    read: list[bytes] = []
    for count, max_bytes in asks:
        batch = reading.take(count, max_bytes)
        assert len(batch) <= (count if count is not None else len(documents))
        assert len(batch) <= 1 or sum(map(len, batch)) <= max_bytes
        read += batch
    assert read == documents[: len(read)]
    read += reading.take(None, 10_000)
    assert read == documents
    assert reading.exhausted


# ---- the table


def test_cursors_are_counted_while_open(table: CursorTable) -> None:
    cursors = [opened(table) for _ in range(20)]
    assert (len(table), table.peak, table.opened_total) == (20, 20, 20)
    assert len({c.cursor_id for c in cursors}) == 20
    assert all(0 < c.cursor_id < 2**63 for c in cursors)
    with pytest.raises(CommandError, match="20 cursors are open"):
        opened(table)
    for cursor in table:
        assert table.get(cursor.cursor_id) is cursor
        assert table.close(cursor.cursor_id)
        assert cursor.killed
        assert table.get(cursor.cursor_id) is None
        assert not table.close(cursor.cursor_id)
    opened(table)
    assert (len(table), table.peak, table.opened_total) == (1, 20, 21)


def test_an_idle_cursor_times_out_and_use_starts_its_time_anew(table: CursorTable, clock: Clock) -> None:
    used, idle = opened(table), opened(table)
    clock.now += 500
    table.pin(used)
    assert table.pinned == 1
    table.unpin(used)
    table.unpin(used)
    clock.now += 99.9
    table.expire()
    assert (len(table), table.next_expiry()) == (2, 1600.0)
    clock.now += 0.1
    table.expire()
    assert (table.timed_out, table.pinned, table.next_expiry()) == (1, 0, 2100.0)
    assert (table.get(idle.cursor_id), table.get(used.cursor_id)) == (None, used)


def test_a_pinned_cursor_does_not_time_out(table: CursorTable, clock: Clock) -> None:
    cursor = opened(table)
    table.pin(cursor)
    clock.now += 10_000
    table.expire()
    assert (len(table), table.next_expiry()) == (1, None)
    table.unpin(cursor)
    assert table.next_expiry() == clock.now + 600


def test_no_timeout_means_none(table: CursorTable, clock: Clock) -> None:
    cursor = opened(table, no_timeout=True)
    clock.now += 1_000_000
    table.expire()
    table.pin(cursor)
    table.unpin(cursor)
    assert (table.no_timeout, table.next_expiry()) == (1, None)
    table.close(cursor.cursor_id)
    assert (table.no_timeout, table.timed_out) == (0, 0)


def test_a_cursor_closed_while_pinned_does_not_come_back(table: CursorTable) -> None:
    cursor = opened(table)
    table.pin(cursor)
    table.close(cursor.cursor_id)
    table.unpin(cursor)
    assert (len(table), table.pinned, table.next_expiry()) == (0, 0, None)
