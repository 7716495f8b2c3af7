"""How a metric went, as a chart: scales, ticks, lines, marks and labels, as paths and texts for a template to draw.

All lengths are in the units of the chart's own view box, y downwards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from leaklab.metrics import Metric
from leaklab.reports.series import thinned

WIDTH, HEIGHT = 380, 236
LEFT, RIGHT, AFTER, BOTTOM = 62, 72, 50, 38
"""The margins: for the labels of the y axis, for the last values, for what is there after run(), for the x axis."""

BAR = 34
"""The height of a bar, with the room around it."""

LETTER = 6.6
"""The width of an average letter."""

LINE = 15
"""The height of a line of text."""

MOST_POINTS = 128
"""Points of a line: of more, the highest of each stretch is drawn, so that no peak is lost."""

MARKS = {
    "leaky": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "fixed": "m0 -5l5 8.5h-10z",
    "yours": "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "partial0": "m-4 -4h8v8h-8z",
    "partial1": "m0 5l5 -8.5h-10z",
    "partial2": "m-5.5 -2h11v4h-11z",
}
"""The mark of each half's line, around its point: halves differ by mark and dash too, not by colour alone."""


class ChartLine(NamedTuple):
    """One half's line.

    Attributes:
        name: what people call the half.
        style: its key in MARKS.
        points: where on the x axis, and the value there.
        after: the value after run(), drawn apart; None if there is none.
        label: that value in words, or the last one where there is none.
        end: the last value of the line in words, where a label has room; empty if none is wanted.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float]]
    after: float | None
    label: str
    end: str = ""

    @property
    def last(self) -> float | None:
        """The value that its label stands for."""
        return self.after if self.after is not None or not self.points else self.points[-1][1]


class Rule(NamedTuple):
    """A limit: where it lies on its axis, and what it is called."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: lines over steps or seconds; bars if no line has points.

    Attributes:
        title: what is counted.
        words: the figures in a sentence, for those who cannot see the chart.
        across: what the x axis counts.
        metric: how values are written.
        limit: a limit of the values.
        deadline: the second at which the caller needs its answer, where the x axis counts seconds.
    """

    title: str
    words: str
    across: str
    metric: Metric
    lines: tuple[ChartLine, ...]
    limit: Rule | None = None
    deadline: Rule | None = None


class Label(NamedTuple):
    """A text: where its baseline begins, ends or has its middle, and its classes."""

    x: float
    y: float
    words: str
    classes: str = ""
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as it is drawn: paths (their data and classes) in order, then texts."""

    title: str
    words: str
    height: float
    paths: list[tuple[str, str]] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def drawn(chart: Chart) -> Drawing:
    """The chart, with a legend above its lines, or as bars."""
    return _with_lines(chart) if any(line.points for line in chart.lines) else _with_bars(chart)


def styles(halves: Sequence[str]) -> dict[str, str]:
    """The style of each half: leaky, fixed and yours always look the same, partial fixes in turn."""
    others = (name for name in MARKS if name.startswith("partial"))
    return {half: half if half in MARKS else next(others, "partial2") for half in halves}


def ticks(most: float, unit: str, wanted: int = 5) -> list[float]:
    """Round values from 0 to the first one that is not below `most`: about `wanted` of them, whole ones of counts."""
    base = 1024.0 ** max(0, int(math.log(most, 1024))) if unit == "bytes" and most >= 1 else 1.0
    rough = max(most, 1e-6 if unit == "seconds" else 1.0) / base / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = base * next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.999)
    step = max(1.0, step) if unit in ("count", "steps") else step
    return [step * index for index in range(math.ceil(most / step * 0.999) + 1)] if most > 0 else [0.0, step]


def _with_lines(chart: Chart) -> Drawing:
    drawing = Drawing(chart.title, chart.words, HEIGHT)
    top = _legend(drawing, chart.lines) + 14
    has_after = any(line.after is not None for line in chart.lines)
    right, low = WIDTH - RIGHT - (AFTER if has_after else 0), HEIGHT - BOTTOM
    values = [value for line in chart.lines for _, value in line.points] + [line.last or 0 for line in chart.lines]
    most = max(values)
    limit = chart.limit if chart.limit is not None and chart.limit.at <= 2 * most else None
    levels = ticks(max(most, limit.at if limit else 0), chart.metric.unit, 4)
    longest = max((line.points[-1][0] for line in chart.lines if line.points), default=0) or 1

    def x_of(at: float) -> float:
        return LEFT + (right - LEFT) * at / longest

    def y_of(value: float) -> float:
        return low - (low - top) * value / levels[-1]

    for level in levels:
        drawing.paths.append((f"M{LEFT} {y_of(level):.1f}H{right}", "grid" if level else "axis"))
        drawing.labels.append(Label(LEFT - 6, y_of(level) + 4.5, _tick(chart.metric, level), anchor="end"))
    unit = "seconds" if chart.across == "seconds" else "steps"
    marks = [at for at in ticks(longest, unit) if at <= longest * 1.001]
    drawing.labels.extend(Label(x_of(at), low + 15, f"{at:,.10g}", anchor="middle") for at in marks)
    drawing.labels.append(Label((LEFT + right) / 2, low + 31, chart.across, "faint", "middle"))
    if limit is not None:
        drawing.paths.append((f"M{LEFT} {y_of(limit.at):.1f}H{right}", "limit"))
        above = y_of(limit.at) - 5
        drawing.labels.append(Label(LEFT + 4, above if above > top + LINE else above + 20, limit.words, "limit"))
    if chart.deadline is not None and chart.deadline.at < longest:
        drawing.paths.append((f"M{x_of(chart.deadline.at):.1f} {top}V{low}", "limit"))
        drawing.labels.append(Label(x_of(chart.deadline.at) + 4, low - 6, chart.deadline.words, "limit"))
    if has_after:
        drawing.labels.append(Label(right + AFTER / 2 + 6, low + 31, "after run()", "faint", "middle"))
    told = set[tuple[str, int]]()
    for number, line in enumerate(chart.lines):
        points = [(x_of(at), y_of(value)) for at, value in thinned(line.points, MOST_POINTS, lambda point: point[1])]
        # Side by side, so that equal values do not hide each other.
        beside = right + 12 + (AFTER - 18) * (number + 0.5) / len(chart.lines)
        after = None if line.after is None else (beside, y_of(line.after))
        if points:
            drawing.paths.append((f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in points)}", f"line {line.style}"))
        for x, y in [after or points[-1]] if after or points else []:
            drawing.paths.append((f"M{x:.1f} {y:.1f}{MARKS[line.style]}", f"mark {line.style}"))
        if after is None or not points:
            continue
        (end_x, end_y), (x, y) = points[-1], after
        if end_x > right - LINE:
            drawing.paths.append((f"M{end_x:.1f} {end_y:.1f}L{x:.1f} {y:.1f}", f"link {line.style}"))
        # Of equal ends one is told: the others would cover it.
        if line.end and abs(end_y - y) > LINE and (place := (line.end, round(end_y))) not in told:
            told.add(place)
            above = -7 if end_y < y else 17
            drawing.labels.append(Label(end_x, max(end_y + above, top - 2), line.end, f"value {line.style}", "end"))
    known = [line for line in chart.lines if line.last is not None]
    places = _apart([y_of(line.last or 0) for line in known], top, low - 4)
    drawing.labels.extend(
        Label(WIDTH - RIGHT + (2 if has_after else 8), y + 4.5, line.label, f"value {line.style}")
        for line, y in zip(known, places, strict=True)
    )
    return drawing


def _with_bars(chart: Chart) -> Drawing:
    known = [line for line in chart.lines if line.last is not None]
    low = BAR * len(known) + 6
    drawing = Drawing(chart.title, chart.words, low + BOTTOM)
    levels = ticks(max(line.last or 0 for line in known), chart.metric.unit, 4)
    left, right = 28 + LETTER * max(len(line.name) for line in known), WIDTH - RIGHT

    def x_of(value: float) -> float:
        return left + (right - left) * value / levels[-1]

    for level in levels:
        drawing.paths.append((f"M{x_of(level):.1f} 4V{low}", "grid" if level else "axis"))
        drawing.labels.append(Label(x_of(level), low + 15, _tick(chart.metric, level), anchor="middle"))
    for number, line in enumerate(known):
        y, end = BAR * number + 12, x_of(line.last or 0)
        drawing.paths.append((f"M{left:.1f} {y}H{end:.1f}v18H{left:.1f}z", f"bar {line.style}"))
        drawing.paths.append((f"M8 {y + 9}{MARKS[line.style]}", f"mark {line.style}"))
        drawing.labels.append(Label(20, y + 13.5, line.name, line.style))
        drawing.labels.append(Label(end + 6, y + 13.5, line.label, f"value {line.style}"))
    if chart.limit is not None and chart.limit.at < levels[-1]:
        drawing.paths.append((f"M{x_of(chart.limit.at):.1f} 4V{low + 20}", "limit"))
        drawing.labels.append(Label(x_of(chart.limit.at) + 4, low + 31, chart.limit.words, "limit"))
    return drawing


def _legend(drawing: Drawing, lines: Sequence[ChartLine]) -> float:
    """Draw the names of the lines in rows; the bottom of the last row."""
    x, y = 4.0, LINE
    for line in lines:
        width = 36 + LETTER * len(line.name)
        if x + width > WIDTH:
            x, y = 4.0, y + LINE + 2
        drawing.paths.append((f"M{x:.1f} {y - 5}h22", f"line {line.style}"))
        drawing.paths.append((f"M{x + 11:.1f} {y - 5}{MARKS[line.style]}", f"mark {line.style}"))
        drawing.labels.append(Label(x + 28, y, line.name, line.style))
        x += width + 10
    return y


def _apart(places: Sequence[float], top: float, low: float) -> list[float]:
    """The places of labels, in the same order, moved as little as lets none cover another."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for before, index in zip([None, *order], order, strict=False):
        moved[index] = max(moved[index], top if before is None else moved[before] + LINE)
    limit = low
    for index in reversed(order):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - LINE
    return moved


def _tick(metric: Metric, value: float) -> str:
    """A value as the axis shows it: round, so without needless decimals."""
    number, blank, unit = metric.format(value).partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return f"{number}{blank}{unit}" if value else "0"
