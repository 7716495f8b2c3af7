"""The content of every report, as plain rows of text; the renderers differ only in how they draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaklab.judge.sentences import NOTHING_FOUND
from leaklab.judge.verdict import Verdict
from leaklab.lab.result import HalfResult, Result
from leaklab.metrics import METRICS, Metric, Moment
from leaklab.units import printable

MOMENT_LABELS = {Moment.PEAK: "most at once", Moment.END: "at the last step", Moment.COLLECTED: "after return"}
"""The names of the moments in tables; MOMENTS_EXPLAINED explains what is not obvious about them."""

MOMENTS_EXPLAINED = "RSS: memory in RAM. After return: after run() and garbage collection."

OUTPUT_LINES = 5
"""Lines of a half's output shown below a table."""

LAST_LINES = 2
"""How many of them come from its end."""


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One row of a scenario's table.

    Attributes:
        label: the metric, and the moment if it has several.
        cells: one per half, with units.
        difference: the first half's figure minus the last one's, with sign and unit; a dash if there is none.
        is_key: whether the metric shows this scenario's leak.
    """

    label: str
    cells: tuple[str, ...]
    difference: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on a half: the kind of finding, `forecast:` or nothing, and the sentence."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Printed:
    """The output of a half: a heading, and the lines that are shown."""

    heading: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a comparison.

    Attributes:
        metric: the name of the metric.
        moment: which value of its summary.
        words: its head, with a line break for narrow tables.
        unit: the unit of its bare figures, empty for counts.
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
    Column("elapsed", "peak", "time", "s"),
    Column("rss", "peak", "peak RSS", "MiB"),
)
"""The columns of `compare`."""

WITH_END = (*COMPARED, Column("rss", "end", "end RSS", "MiB"))
"""The columns if there is room: a buffer that was freed peaks like one that was kept, but does not end like it."""


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """One metric of one pair: a figure per half, in the unit of the column, and whether it shows the leak."""

    figures: tuple[str, ...]
    is_key: bool

    @property
    def unread(self) -> bool:
        """Whether the metric was read for none of the halves."""
        return set(self.figures) == {"–"}


def conditions(result: Result) -> str:
    """The conditions of a measurement: its settings, and how often each half was run."""
    runs = max(len(half.runs) for half in result.halves.values())
    repeated = f"median of {runs} runs (least to most)" if runs > 1 else ""
    return ", ".join(filter(None, [str(result.settings), repeated]))


def metric_rows(result: Result) -> Iterator[MetricRow]:
    """The rows of one scenario's table: each metric at each moment that was read for any half."""
    for metric in METRICS.values():
        if metric.rare and not any(half.value(metric.name, "peak") for half in result.halves.values()):
            continue
        for reading in metric.moments:
            if all(half.value(metric.name, reading.value) is None for half in result.halves.values()):
                continue
            yield _metric_row(result, metric, reading)


def row_label(metric: Metric, moment: Moment) -> str:
    """What a table calls a metric at a moment: `open sockets, after return`."""
    if len(metric.moments) == 1:
        return metric.label
    peak_of_memory = moment is Moment.PEAK and metric.unit == "bytes"
    return f"{metric.label}, {'peak' if peak_of_memory else MOMENT_LABELS[moment]}"


def _metric_row(result: Result, metric: Metric, reading: Moment) -> MetricRow:
    halves = list(result.halves.values())
    values = [half.value(metric.name, reading.value) for half in halves]
    first, last = values[0], values[-1]
    difference = "–"
    if first is not None and last is not None and len(values) > 1:
        gap = first - last
        difference = "0" if gap == 0 else f"{'+' if gap > 0 else '-'}{metric.format(abs(gap))}"
    cells = tuple(_cell(metric, half, reading) for half in halves)
    return MetricRow(row_label(metric, reading), cells, difference, metric.name in result.telling)


def _cell(metric: Metric, half: HalfResult, reading: Moment) -> str:
    values = half.values(metric.name, reading.value)
    median = metric.format(half.value(metric.name, reading.value))
    if len(values) < 2 or min(values) == max(values):
        return median
    return f"{median} ({metric.format(min(values))} to {metric.format(max(values))})"


def remarks(half: HalfResult) -> list[Remark]:
    """The remarks on a half: findings, doubts, forecasts, what is wrong with its work; at least one."""
    said = [
        Remark(finding.kind.value, f"{METRICS[finding.metric].label}: {finding.reason}")
        for finding in half.judgement.findings
    ]
    said += [Remark("", doubt) for doubt in half.judgement.doubts]
    said += [Remark("forecast:", forecast.words) for forecast in half.forecast]
    if half.complaint is not None and not half.judgement.doubts:
        said.append(Remark("", f"it did not do the work: {half.complaint}"))
    said = said or [Remark("", NOTHING_FOUND)]
    # A finding or a doubt about the time says it in its own sentence.
    if half.looks > 1 and half.judgement.verdict is Verdict.CLEAN:
        said.append(Remark("", f"its first answer was late: this is the fastest of {half.looks} runs"))
    return said


def printed(half: HalfResult) -> Printed | None:
    """The output of the half, None if it printed nothing."""
    lines = [printable(line).expandtabs(4) for run in half.runs for line in run.trace.output.splitlines()]
    if not lines:
        return None
    more = ""
    if len(lines) > OUTPUT_LINES:
        # The message of an error is in its last line.
        more = f" ({OUTPUT_LINES} of {len(lines):,} lines)"
        lines = [*lines[: OUTPUT_LINES - LAST_LINES], "…", *lines[-LAST_LINES:]]
    who = {"almost": "The partial fix", "yours": "Your file"}.get(half.half, f"The {half.half} half")
    return Printed(f"{who} printed{more}:", tuple(lines))


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
    """Key figures that are in none of the columns shown: `memory (RSS), at the last step: 271/15 MiB`."""
    out = [column for column in WITH_END if column not in shown and column.metric in result.telling]
    return [
        f"{row_label(METRICS[column.metric], Moment(column.moment))}: {'/'.join(cell.figures)} {column.unit}"
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
