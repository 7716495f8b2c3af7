"""The server-side cursors: batches, the table and its timeouts, on a clock that the tests turn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaklab.services.mongo.cursors import CursorTable, SnapshotScan, TooManyCursorsError

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
def table(clock: Clock) -> CursorTable[SnapshotScan]:
    return CursorTable(timeout_s=600, max_open=1000, clock=clock)


def scan(*, knows_end: bool = False) -> SnapshotScan:
    return SnapshotScan(DOCUMENTS, knows_end=knows_end)


# ---- batches


def test_batches_are_read_in_order_and_the_last_one_is_short() -> None:
    reading = scan()
    assert [reading.take(4, MIB) for _ in range(3)] == [DOCUMENTS[:4], DOCUMENTS[4:8], DOCUMENTS[8:]]
    assert reading.exhausted


def test_a_full_batch_does_not_know_that_it_was_the_last() -> None:
    reading = scan()
    assert reading.take(10, MIB) == DOCUMENTS
    assert not reading.exhausted
    assert reading.take(10, MIB) == []
    assert reading.exhausted


def test_a_plan_that_knows_its_end_is_exhausted_with_its_last_document() -> None:
    reading = scan(knows_end=True)
    reading.take(9, MIB)
    assert not reading.exhausted
    reading.take(1, MIB)
    assert reading.exhausted


def test_without_a_count_everything_is_read() -> None:
    reading = scan()
    assert reading.take(None, MIB) == DOCUMENTS
    assert reading.exhausted


def test_a_count_of_zero_reads_nothing_and_is_no_end() -> None:
    reading = scan()
    assert reading.take(0, MIB) == []
    assert not reading.exhausted


def test_a_batch_stays_below_the_byte_bound_but_holds_at_least_one_document() -> None:
    reading = scan()
    assert len(reading.take(None, 8)) == 2
    assert len(reading.take(None, 1)) == 1
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


def test_cursors_are_counted_while_open(table: CursorTable[SnapshotScan]) -> None:
    cursors = [table.open("lab.c", scan()) for _ in range(20)]
    assert (len(table), table.peak, table.opened_total) == (20, 20, 20)
    assert len({c.cursor_id for c in cursors}) == 20
    assert all(0 < c.cursor_id < 2**63 for c in cursors)
    for cursor in cursors:
        assert table.get(cursor.cursor_id) is cursor
        assert table.close(cursor.cursor_id) is cursor
        assert cursor.killed
        assert table.get(cursor.cursor_id) is None
        assert table.close(cursor.cursor_id) is None
    assert (len(table), table.peak, table.opened_total) == (0, 20, 20)


def test_a_full_table_refuses_and_has_room_again_after_a_close(clock: Clock) -> None:
    table: CursorTable[SnapshotScan] = CursorTable(timeout_s=600, max_open=2, clock=clock)
    first, _ = table.open("lab.c", scan()), table.open("lab.c", scan())
    with pytest.raises(TooManyCursorsError, match="2 cursors are open"):
        table.open("lab.c", scan())
    table.close(first.cursor_id)
    table.open("lab.c", scan())
    assert len(table) == 2


def test_an_idle_cursor_times_out(table: CursorTable[SnapshotScan], clock: Clock) -> None:
    table.open("lab.c", scan())
    clock.now += 599.9
    assert table.expire() == 0
    assert table.next_expiry() == 1600.0
    clock.now += 0.1
    assert table.expire() == 1
    assert (len(table), table.timed_out, table.next_expiry()) == (0, 1, None)


def test_use_starts_the_idle_time_anew(table: CursorTable[SnapshotScan], clock: Clock) -> None:
    used, idle = table.open("lab.c", scan()), table.open("lab.c", scan())
    clock.now += 500
    table.pin(used)
    table.unpin(used)
    clock.now += 500
    assert table.expire() == 1
    assert table.get(idle.cursor_id) is None
    assert table.get(used.cursor_id) is used
    assert table.next_expiry() == 2100.0


def test_a_pinned_cursor_does_not_time_out(table: CursorTable[SnapshotScan], clock: Clock) -> None:
    cursor = table.open("lab.c", scan())
    table.pin(cursor)
    assert table.pinned == 1
    clock.now += 10_000
    assert (table.expire(), table.next_expiry()) == (0, None)
    table.unpin(cursor)
    table.unpin(cursor)
    assert table.pinned == 0
    clock.now += 600
    assert table.expire() == 1


def test_no_timeout_means_none(table: CursorTable[SnapshotScan], clock: Clock) -> None:
    cursor = table.open("lab.c", scan(), no_timeout=True)
    assert table.no_timeout == 1
    clock.now += 1_000_000
    assert (table.expire(), table.next_expiry()) == (0, None)
    table.pin(cursor)
    table.unpin(cursor)
    assert table.next_expiry() is None
    table.close(cursor.cursor_id)
    assert (table.no_timeout, table.timed_out) == (0, 0)


def test_a_cursor_closed_while_pinned_does_not_come_back(table: CursorTable[SnapshotScan]) -> None:
    cursor = table.open("lab.c", scan())
    table.pin(cursor)
    table.close(cursor.cursor_id)
    table.unpin(cursor)
    assert (len(table), table.pinned, table.next_expiry()) == (0, 0, None)


def test_clear_ends_all_and_counts_no_timeout(table: CursorTable[SnapshotScan]) -> None:
    for no_timeout in (True, False):
        table.open("lab.c", scan(), no_timeout=no_timeout)
    table.clear()
    assert (len(table), table.no_timeout, table.timed_out, table.next_expiry()) == (0, 0, 0, None)


@given(st.lists(st.tuples(st.sampled_from(["open", "keep", "use", "close", "wait"]), st.integers(0, 50)), max_size=80))
def test_the_table_agrees_with_a_plain_model(steps: list[tuple[str, int]]) -> None:
    """Open, use, close and wait in any order: open are those that a list with times says are open."""
    clock = Clock()
    table: CursorTable[SnapshotScan] = CursorTable(timeout_s=60, max_open=1000, clock=clock)
    model: dict[int, float] = {}
    for what, number in steps:
        chosen = table.get(sorted(model)[number % len(model)]) if model else None
        if what in ("open", "keep"):
            opened = table.open("lab.c", scan(), no_timeout=what == "keep")
            model[opened.cursor_id] = float("inf") if what == "keep" else clock.now
        elif what == "wait":
            clock.now += number
        elif chosen is not None and what == "use":
            table.pin(chosen)
            table.unpin(chosen)
            if model[chosen.cursor_id] != float("inf"):
                model[chosen.cursor_id] = clock.now
        elif chosen is not None:
            table.close(chosen.cursor_id)
            del model[chosen.cursor_id]
        expired = [i for i, used in model.items() if used + 60 <= clock.now]
        assert table.expire() == len(expired)
        for cursor_id in expired:
            del model[cursor_id]
        assert len(table) == len(model)
        assert table.no_timeout == sum(used == float("inf") for used in model.values())
        assert all(table.get(cursor_id) is not None for cursor_id in model)
