"""How a metric went, and its picture: no peak is lost, and halves share a scale."""

from __future__ import annotations

import pytest

from leaklab.metrics import METRICS
from leaklab.reports.series import SPARKS, scale, series, sparkline
from tests.unit.scripted import MIB, Half


def test_a_series_goes_by_steps_and_ends_with_what_is_left_after_return() -> None:
    held = Half(steps=3).counts("open_sockets", lambda done: done, returned=0)
    went = series(held.trace(), "open_sockets")
    assert (went.points, went.after, went.unit) == (((0, 0), (1, 1), (2, 2), (3, 3)), 0, "steps")
    assert went.values == [0, 1, 2, 3, 0]


def test_work_without_steps_goes_by_the_clock() -> None:
    went = series(Half(steps=0, elapsed_s=2.0).counts("threads", lambda _: 3, before=1).trace(), "threads")
    assert (went.points, went.after, went.unit) == (((2.0, 1), (2.0, 3)), 3, "seconds")


def test_what_was_never_read_has_no_points() -> None:
    assert series(Half().trace(), "open_cursors").values == []


@pytest.mark.parametrize(
    ("values", "width", "expected"),
    [
        ([], 8, ""),
        ([5], 8, "█"),
        ([0, 5], 8, "▁█"),
        ([0, 1, 2, 3, 4, 5], 6, "▁▂▄▅▇█"),
        ([0, 0, 5, 0, 0, 0], 4, "▁█▁▁"),
        (range(6), 0, ""),
    ],
)
def test_a_sparkline_shows_peaks_and_ends_with_the_last_value(values: list[float], width: int, expected: str) -> None:
    assert sparkline(values, 0, 5, width) == expected
    assert len(sparkline([*range(1000)], 0, 999, 8)) == 8


def test_what_is_below_the_floor_looks_flat_and_the_halves_share_a_scale() -> None:
    memory = METRICS["rss"]
    lowest, highest = scale(memory, [[30 * MIB, 30.2 * MIB], [30.1 * MIB]])
    assert {sparkline([value], lowest, highest, 1) for value in (30 * MIB, 30.2 * MIB)} == {SPARKS[0]}
    assert scale(METRICS["open_sockets"], [[0, 50], [0, 1], []]) == (0, 50)
    assert scale(METRICS["open_sockets"], [[]]) == (0, 3)
