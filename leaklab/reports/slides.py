"""Results as slides: one SVG image each, 16:9, which opens on its own."""

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.reports import check_report, rows
from leaklab.reports.chart import HEIGHT, WIDTH, Drawing, drawn
from leaklab.reports.figures import charts
from leaklab.reports.templating import filled
from leaklab.workshop.check_result import CheckResult, CheckState

CHARTS = 3
"""Charts of one scenario on a slide."""

LEFT, TOP, ACROSS, DOWN, GAP, HEADS = 48, 160, 1184, 550, 32, 48
"""Where panels begin, the room for them, and what is left free between them and for their heads.

In the units of the slide, 1280 × 720."""

LETTERS = 98
"""Letters in a line of a sentence."""

LETTER = 0.55
"""The width of an average letter, as a share of its size; bold ones are a fifth wider."""

LINE = 30
"""The height of a line of a sentence."""


class Box(NamedTuple):
    """The place of a chart."""

    x: float
    y: float
    width: float
    height: float


class Panel(NamedTuple):
    """A chart, its head and what stands below that, and where it is."""

    head: str
    under: str
    drawing: Drawing
    box: Box


class SlideLine(NamedTuple):
    """A line of a sentence: a bold beginning, the words after it, and its baseline."""

    head: str
    words: str
    y: float


def scenario_slide(result: Result, why: str) -> str:
    """One scenario: its charts, a sentence for each half, and `why`."""
    return _slide(result.title, rows.conditions(result), result, why)


def check_slide(check: CheckResult, file: Path) -> str:
    """A learner's file beside both halves."""
    under = f"{file}, {check_report.conditions(check)}"
    head = check_report.head(check)
    said = [] if check.state in (CheckState.FIXED, CheckState.LEAKS) else _wrapped("", check_report.reason(check))
    if check.result is None:
        return filled("slide.svg.j2", title=head, under=_cut(under, 20), panels=[], lines=[*_below(said, TOP)])
    return _slide(head, under, check.result, said=said)


def comparison_slide(results: Sequence[Result]) -> str:
    """Several scenarios: of each the chart that tells most, all at the same size."""
    drawings = [(result, drawn(chart)) for result in results for chart in charts(result)[:1]]
    halves = rows.halves_of(results)
    heads = [(result.title, f"{drawing.title}: {_verdicts(result, halves)}") for result, drawing in drawings]
    panels = [*_panels(heads, [drawing for _, drawing in drawings], DOWN)]
    under = " / ".join(map(half_label, halves))
    return filled("slide.svg.j2", title=f"{len(results)} leaks compared", under=under, panels=panels, lines=[])


def _slide(title: str, under: str, result: Result, why: str = "", said: Sequence[tuple[str, str]] = ()) -> str:
    drawings = [drawn(chart) for chart in charts(result)[:CHARTS]]
    lines = [*said, *(line for half in result.halves.values() for line in _sentence(half))]
    lines += _wrapped("Why:", why.replace("`", "")) if why else []
    heads = [(drawing.title, "") for drawing in drawings]
    panels = [*_panels(heads, drawings, DOWN - LINE * len(lines) - 10)]
    below = TOP + max((panel.box.height for panel in panels), default=0) + 44
    title, under = _cut(title, 48), _cut(under, 20)
    return filled("slide.svg.j2", title=title, under=under, panels=panels, lines=[*_below(lines, below)])


def _verdicts(result: Result, halves: Sequence[str]) -> str:
    """The verdict on each half, of one that leaks the first kind of finding; a dash where there is no such half."""
    words = {name: rows.verdict_words(half).partition(",")[0] for name, half in result.halves.items()}
    return " / ".join(words.get(half, "–") for half in halves)


def _sentence(half: HalfResult) -> list[tuple[str, str]]:
    return _wrapped(f"{half_label(half.half)}: {rows.verdict_words(half)}.", rows.remarks(half)[0].words)


def _wrapped(head: str, words: str) -> list[tuple[str, str]]:
    """At most two lines: the bold beginning of each, and the words after it."""
    first, *more = wrap(" ".join(f"{head} {words}".split()), LETTERS, max_lines=2, placeholder=" …")
    return [(head, first[len(head) :]), *(("", line) for line in more)]


def _below(lines: Sequence[tuple[str, str]], top: float) -> Iterator[SlideLine]:
    yield from (SlideLine(head, words, top + LINE * number) for number, (head, words) in enumerate(lines))


def _panels(heads: Sequence[tuple[str, str]], drawings: Sequence[Drawing], down: float) -> Iterator[Panel]:
    """The charts in rows, as large as there is room for; each below its head."""
    columns = max(1, min(len(drawings), max(3, ceil(len(drawings) ** 0.5))))
    lines = max(1, ceil(len(drawings) / columns))
    width = min((ACROSS - GAP * (columns - 1)) / columns, (down / lines - HEADS) * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    for at, ((head, under), drawing) in enumerate(zip(heads, drawings, strict=True)):
        row, column = divmod(at, columns)
        box = Box(LEFT + column * (ACROSS + GAP) / columns, TOP + row * (height + HEADS), width, height)
        yield Panel(_cut(head, 24, width), _cut(under, 15, width), drawing, box)


def _cut(words: str, size: float, width: float = ACROSS) -> str:
    """The words as far as they fit into the width, at a size of letters."""
    most = int(width / (size * LETTER))
    return words if len(words) <= most else f"{words[: most - 1]}…"
