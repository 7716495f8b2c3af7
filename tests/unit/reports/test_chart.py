"""The geometry of charts: round ticks, labels that do not cover each other, and lines that lose no peak."""

from __future__ import annotations

from itertools import pairwise

import pytest

from leaklab.metrics import ELAPSED, OPEN_SOCKETS, RSS
from leaklab.reports.chart import (
    HEIGHT,
    MARKS,
    MOST_POINTS,
    WIDTH,
    Chart,
    ChartLine,
    Drawing,
    Rule,
    drawn,
    styles,
    ticks,
)
from tests.unit.scripted import MIB

UP = [(float(step), float(step)) for step in range(51)]


def chart(*lines: ChartLine, **more: Rule) -> Drawing:
    return drawn(Chart("open sockets", "in words", "steps", OPEN_SOCKETS, lines, **more))


def texts(drawing: Drawing, classes: str) -> list[str]:
    return [label.words for label in drawing.labels if classes in label.classes]


@pytest.mark.parametrize(
    ("most", "unit", "expected"),
    [
        (50, "count", [0, 10, 20, 30, 40, 50]),
        (1, "count", [0, 1]),
        (0, "count", [0, 1]),
        (7, "count", [0, 2, 4, 6, 8]),
        (2000, "steps", [0, 500, 1000, 1500, 2000]),
        (3.01, "seconds", [0, 1, 2, 3, 4]),
        (0.05, "seconds", [0, 0.01, 0.02, 0.03, 0.04, 0.05]),
        (271 * MIB, "bytes", [0, 100 * MIB, 200 * MIB, 300 * MIB]),
        (900, "bytes", [0, 200, 400, 600, 800, 1000]),
    ],
)
def test_ticks_are_round_and_hold_the_largest_value(most: float, unit: str, expected: list[float]) -> None:
    assert ticks(most, unit) == pytest.approx(expected)


def test_the_last_value_is_written_at_the_end_of_the_line_and_the_value_before_where_it_has_room() -> None:
    drawing = chart(ChartLine("leaky", "leaky", UP, 0.0, "0", "50"), ChartLine("fixed", "fixed", UP[:2], 1.0, "1", "1"))
    assert texts(drawing, "value leaky") == ["50", "0"]
    assert texts(drawing, "value fixed") == ["1"]
    assert {"after run()", "steps", "leaky", "fixed"} <= {label.words for label in drawing.labels}


def test_values_of_different_halves_do_not_cover_each_other() -> None:
    lines = [
        ChartLine(name, name, UP, after, f"{after:g}") for name, after in zip(MARKS, (0, 1, 1, 0, 50, 50), strict=True)
    ]
    values = sorted(label.y for label in chart(*lines).labels if "value" in label.classes)
    assert len(values) == len(lines)
    assert all(after - before >= 15 for before, after in pairwise(values))
    assert values[-1] <= HEIGHT


def test_all_is_inside_the_chart() -> None:
    many = [ChartLine(f"half number {number}", name, UP, 50.0, "50") for number, name in enumerate(MARKS)]
    for drawing in (chart(*many), chart(*(line._replace(points=()) for line in many), limit=Rule(20, "limit"))):
        assert all(0 <= label.x <= WIDTH and 0 <= label.y <= drawing.height for label in drawing.labels)


def test_a_line_that_broke_off_has_its_mark_where_it_ended_and_no_value_after_run() -> None:
    drawing = chart(ChartLine("leaky (crashed)", "leaky", UP[:26], None, "25"))
    assert texts(drawing, "value leaky") == ["25"]
    assert "after run()" not in [label.words for label in drawing.labels]


def test_of_very_many_points_no_peak_is_lost() -> None:
    points = [(float(step), 900.0 if step == 777 else 1.0) for step in range(3000)]
    (line,) = [
        path for path, classes in chart(ChartLine("leaky", "leaky", points, 1.0, "1")).paths if classes == "line leaky"
    ][-1:]
    heights = [float(point.split()[1]) for point in line.removeprefix("M").split("L")]
    assert len(heights) == MOST_POINTS
    assert min(heights) < max(heights) - 100


def test_what_has_no_series_is_shown_as_bars_with_the_limit_across() -> None:
    lines = ChartLine("leaky", "leaky", (), 3.01, "3.01 s"), ChartLine("fixed", "fixed", (), 0.5, "500 ms")
    drawing = drawn(Chart("elapsed", "", "steps", ELAPSED, lines, Rule(0.5, "deadline: 500 ms")))
    assert [classes for _, classes in drawing.paths if classes.startswith("bar")] == ["bar leaky", "bar fixed"]
    assert texts(drawing, "limit") == ["deadline: 500 ms"]
    assert "2 s" in [label.words for label in drawing.labels]


def test_a_limit_far_above_all_values_is_left_out_as_it_would_flatten_them() -> None:
    line = ChartLine("fixed", "fixed", [(0.0, 15.0 * MIB), (1.0, 15.0 * MIB)], 15.0 * MIB, "15.0 MiB")
    for at, shown in ((25 * MIB, ["allowed"]), (143 * MIB, [])):
        drawing = drawn(Chart("memory", "", "steps", RSS, (line,), Rule(at, "allowed")))
        assert texts(drawing, "limit") == shown


def test_halves_look_the_same_everywhere_and_partial_fixes_differ() -> None:
    assert styles(["leaky", "almost", "second", "fixed"]) == {
        "leaky": "leaky", "almost": "partial0", "second": "partial1", "fixed": "fixed",
    }  # fmt: skip
    assert len(set(MARKS.values())) == len(MARKS)
