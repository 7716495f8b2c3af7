"""What every report shows of a result, as plain rows of text: the renderers only differ in how they draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaklab.judge.verdict import Verdict
from leaklab.lab.result import HalfResult, Result
from leaklab.metrics import METRICS, Metric, Moment
from leaklab.units import printable

MOMENT_LABELS = {
    Moment.PEAK: "at peak",
    Moment.END: "at the last step",
    Moment.COLLECTED: "after return and gc",
}

OUTPUT_LINES = 5
"""Lines of a half's output that are shown under a table."""

LAST_LINES = 2
"""How many of them are its last ones."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of a scenario's table.

    Attributes:
        label: the metric, and the moment where it has several.
        cells: one per half, with units.
        difference: the first half's figure less the last one's, with sign and unit; a dash where there is none.
        telling: whether the metric shows this scenario's leak.
    """

    label: str
    cells: tuple[str, ...]
    difference: str
    telling: bool


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say of a half: the kind of finding (`ahead` for a forecast, empty for neither), and the words."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Printed:
    """What a half printed: a heading, and as many of its lines as are shown."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a comparison.

    Attributes:
        metric: the name of the metric.
        moment: which value of its summary.
        words: its head, with a line break where a narrow table has one.
        unit: the unit that its bare figures are in, empty for counts.
    """

    metric: str
    moment: str
    words: str
    unit: str = ""


COMPARED = (
    Column("open_sockets", "peak", "open\nsockets"),
    Column("connections_opened", "peak", "conns\nopened"),
    Column("open_cursors", "peak", "open\ncursors"),
    Column("threads", "peak", "threads\n"),
    Column("elapsed", "peak", "elapsed", "s"),
    Column("rss", "peak", "peak RSS", "MiB"),
)
"""What `compare` shows."""

WITH_END = (*COMPARED, Column("rss", "end", "end RSS", "MiB"))
"""What it shows where there is room: a buffer that was let go peaks like one that was kept, and ends otherwise."""


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One metric of one pair: a figure per half, in the unit of the column, and whether it shows the leak."""

    figures: tuple[str, ...]
    telling: bool

    @property
    def unread(self) -> bool:
        """Whether no half has a figure."""
        return set(self.figures) == {"–"}


def conditions(result: Result) -> str:
    """What a result was measured under: its settings, and how often each half was run."""
    runs = max(len(half.runs) for half in result.halves.values())
    repeated = [f"median of {runs} runs (least to most)"] if runs > 1 else []
    return ", ".join([words for words in [str(result.settings)] if words] + repeated)


def metric_rows(result: Result) -> Iterator[MetricRow]:
    """The rows of one scenario's table: every metric, at every moment, that any half could be read for."""
    for metric in METRICS.values():
        if metric.rare and not any(half.value(metric.name, "peak") for half in result.halves.values()):
            continue
        for reading in metric.moments:
            if all(half.value(metric.name, reading.value) is None for half in result.halves.values()):
                continue
            yield _metric_row(result, metric, reading)


def _metric_row(result: Result, metric: Metric, reading: Moment) -> MetricRow:
    halves = list(result.halves.values())
    label = f"{metric.label}, {MOMENT_LABELS[reading]}" if len(metric.moments) > 1 else metric.label
    values = [half.value(metric.name, reading.value) for half in halves]
    first, last = values[0], values[-1]
    difference = "–"
    if first is not None and last is not None and len(values) > 1:
        gap = first - last
        difference = "0" if gap == 0 else f"{'+' if gap > 0 else '-'}{metric.format(abs(gap))}"
    cells = tuple(_cell(metric, half, reading) for half in halves)
    return MetricRow(label, cells, difference, metric.name in result.telling)


def _cell(metric: Metric, half: HalfResult, reading: Moment) -> str:
    values = half.values(metric.name, reading.value)
    median = metric.format(half.value(metric.name, reading.value))
    if len(values) < 2 or min(values) == max(values):
        return median
    return f"{median} ({metric.format(min(values))} to {metric.format(max(values))})"


def remarks(half: HalfResult) -> list[Remark]:
    """What is to be said of a half: findings, doubts, forecast, what is wrong with its work; at least one."""
    said = [
        Remark(finding.kind.value, f"{METRICS[finding.metric].label}: {finding.reason}")
        for finding in half.judgement.findings
    ]
    said += [Remark("", f"in doubt: {doubt}") for doubt in half.judgement.doubts]
    said += [Remark("ahead", forecast.words) for forecast in half.forecast]
    if half.complaint is not None and not half.judgement.doubts:
        said.append(Remark("", f"it did not do the work: {half.complaint}"))
    said = said or [Remark("", "nothing grows, nothing is left over, nothing is late")]
    # A finding or a doubt about the time says so itself.
    if half.looks > 1 and half.judgement.verdict is Verdict.CLEAN:
        said.append(Remark("", f"its answer came late at first: the shortest of {half.looks} runs is shown"))
    return said


def printed(half: HalfResult) -> Printed | None:
    """What the half printed, None if nothing."""
    lines = [printable(line).expandtabs(4) for run in half.runs for line in run.trace.output.splitlines()]
    if not lines:
        return None
    more = ""
    if len(lines) > OUTPUT_LINES:
        # What an error says stands in its last line.
        more = f" ({OUTPUT_LINES} of {len(lines):,} lines)"
        lines = [*lines[: OUTPUT_LINES - LAST_LINES], "…", *lines[-LAST_LINES:]]
    return Printed(f"The {half.half} half printed{more}:", tuple(lines))


def compared_halves(results: Sequence[Result]) -> list[str]:
    """The names of the halves whose figures a comparison's cells hold, in order."""
    return max((list(result.halves) for result in results), key=len, default=[])


def compared_cells(result: Result, columns: Sequence[Column] = COMPARED) -> list[ComparedCell]:
    """One pair's cells, in the order of `columns`."""
    return [
        ComparedCell(
            tuple(
                _plain_number(half.value(column.metric, column.moment), METRICS[column.metric].unit)
                for half in result.halves.values()
            ),
            column.metric in result.telling,
        )
        for column in columns
    ]


def left_out(result: Result, shown: Sequence[Column]) -> list[str]:
    """What shows this scenario's leak and stands in no column that is shown: `memory (RSS) at the last step: …`."""
    out = [column for column in WITH_END if column not in shown and column.metric in result.telling]
    return [
        f"{METRICS[column.metric].label}, {MOMENT_LABELS[Moment(column.moment)]}: "
        f"{'/'.join(cell.figures)} {column.unit}"
        for column, cell in zip(out, compared_cells(result, out), strict=True)
        if not cell.unread
    ]


def _plain_number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "bytes":
        return f"{value / 2**20:.0f}"
    if unit == "seconds":
        return f"{value:.2f}"
    return f"{value:.0f}"
