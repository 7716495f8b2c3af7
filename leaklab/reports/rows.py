"""The content of every report, as plain rows of text; the renderers differ only in how they draw them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from leaklab.explain.evidence import CodeSite
from leaklab.judge.findings import NOT_LOOKED_FOR, Finding, Verdict
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.metrics import METRICS, Judge, Metric, Moment
from leaklab.units import printable

MOMENT_LABELS = {Moment.PEAK: "most at once", Moment.END: "at the last step", Moment.COLLECTED: "after return"}
"""The names of the moments in tables; MOMENTS_EXPLAINED explains what is not obvious about them."""

MOMENTS_EXPLAINED = "RSS: memory in RAM. After return: after run() and garbage collection."

OUTPUT_LINES = 5
"""Lines of a half's output shown below a table."""

SEGMENTS = 3
"""Pieces of shared memory that are named."""

GROUPS = 3
"""Groups of evidence that are shown of a finding."""

LAST_LINES = 2
"""How many of them come from its end."""


class MetricRow(NamedTuple):
    """A metric at a moment: a cell with its unit per half, and the first half's figure less the last one's, if any.

    `is_key` says whether the metric shows this scenario's leak.
    """

    label: str
    cells: tuple[str, ...]
    difference: str
    is_key: bool


class EvidenceLine(NamedTuple):
    """A line of evidence: what it says, as `opened` or `kept by`, and that: code, or words."""

    head: str
    words: str
    is_code: bool = True


class Remark(NamedTuple):
    """A remark on a half: the kind of finding, `forecast:` or nothing, the sentence, and the evidence for it."""

    kind: str
    words: str
    evidence: tuple[EvidenceLine, ...] = ()


class Column(NamedTuple):
    """One column of a comparison: a metric at a moment."""

    metric: Metric
    moment: Moment

    @property
    def head(self) -> str:
        """Its head, with a line break for narrow tables."""
        return self.metric.heads[self.moment]

    @property
    def unit(self) -> str:
        """The unit of its bare figures, empty for counts."""
        return {"bytes": "MiB", "seconds": "s"}.get(self.metric.unit, "")

    def figure(self, half: HalfResult) -> str:
        """The half's bare figure in that unit; a dash if it was not read."""
        value = half.value(self.metric.name, self.moment)
        if value is None:
            return "–"
        return {"MiB": f"{value / 2**20:.0f}", "s": f"{value:.2f}"}.get(self.unit, f"{value:.0f}")


# Memory comes last, so that what there is no room for is at the end.
WITH_END = sorted(
    (Column(metric, moment) for metric in METRICS.values() for moment in metric.heads),
    key=lambda column: column.metric.unit == "bytes",
)
"""The columns if there is room: a buffer that was freed peaks like one that was kept, but does not end like it."""

COMPARED = [column for column in WITH_END if column.moment is Moment.PEAK]
"""The columns of `compare`."""


class ComparedCell(NamedTuple):
    """One metric of one pair: a figure per half, in the unit of the column, and whether it shows the leak."""

    figures: tuple[str, ...]
    is_key: bool

    def joined(self, separator: str) -> str:
        """All figures in one cell; a dash if the metric was read for none of the halves."""
        return "–" if set(self.figures) == {"–"} else separator.join(self.figures)


def conditions(result: Result) -> str:
    """The conditions of a measurement: its settings, and how often each half was run."""
    runs = max(len(half.runs) for half in result.halves.values())
    repeated = f"median of {runs} runs (least to most)" if runs > 1 else ""
    return ", ".join(filter(None, [str(result.settings), repeated]))


def metric_rows(result: Result) -> Iterator[MetricRow]:
    """The rows of one scenario's table: each metric at each moment that was read for any half."""
    halves = list(result.halves.values())
    for metric in METRICS.values():
        most = max(half.rise(metric.name, Moment.PEAK) or 0 for half in halves)
        if metric.rare and most < metric.floor and metric.name not in result.telling:
            continue
        for moment in metric.moments:
            values = [half.value(metric.name, moment) for half in halves]
            if any(value is not None for value in values):
                cells = tuple(_cell(metric, half, moment) for half in halves)
                is_key = metric.name in result.telling
                yield MetricRow(row_label(metric, moment), cells, _difference(metric, values), is_key)


def row_label(metric: Metric, moment: Moment) -> str:
    """What a table calls a metric at a moment: `open sockets, after return`."""
    if len(metric.moments) == 1:
        return metric.label
    peak_of_memory = moment is Moment.PEAK and metric.unit == "bytes"
    return f"{metric.label}, {'peak' if peak_of_memory else MOMENT_LABELS[moment]}"


def _difference(metric: Metric, values: Sequence[float | None]) -> str:
    first, last = values[0], values[-1]
    if first is None or last is None or len(values) == 1:
        return "–"
    gap = first - last
    return "0" if gap == 0 else f"{'+' if gap > 0 else '-'}{metric.format(abs(gap))}"


def _cell(metric: Metric, half: HalfResult, moment: Moment) -> str:
    values = half.values(metric.name, moment)
    median = metric.format(half.value(metric.name, moment))
    if len(values) < 2 or min(values) == max(values):
        return median
    return f"{median} ({metric.format(min(values))} to {metric.format(max(values))})"


def remarks(half: HalfResult) -> list[Remark]:
    """The remarks on a half: findings, doubts, forecasts, what is wrong with its work; at least one."""
    judgement, shown = half.judgement, set[CodeSite]()
    said = [
        *(
            Remark(found.kind, f"{METRICS[found.metric].label}: {found.reason}", tuple(evidence_lines(found, shown)))
            for found in judgement.findings
        ),
        *(Remark("", doubt) for doubt in judgement.doubts),
        *(Remark("", found.reason, tuple(evidence_lines(found, shown))) for found in half.suspected),
        *(Remark("forecast:", forecast.words) for forecast in half.forecast),
    ]
    if half.complaint is not None and not judgement.doubts:
        said.append(Remark("", f"it did not do the work: {half.complaint}"))
    said = said or [Remark("", judgement.looked_at)]
    if left := left_behind(half):
        said.append(Remark("", left))
    # A finding or a doubt about the time says it in its own sentence.
    if half.looks > 1 and judgement.verdict is Verdict.CLEAN:
        said.append(Remark("", f"its first answer was late: this is the fastest of {half.looks} runs"))
    return said


def left_behind(half: HalfResult) -> str:
    """What it left that does not go with its process, and was removed; empty if nothing."""
    names = [name for run in half.runs for name in run.trace.shared_memory]
    named = ", ".join(names[:SEGMENTS]) + (", …" if len(names) > SEGMENTS else "")
    return f"it left shared memory behind, which was removed: {printable(named)}" if names else ""


def evidence_lines(finding: Finding, shown: set[CodeSite]) -> Iterator[EvidenceLine]:
    """The evidence for a finding, or why there is none. Of lines that are `shown` already the place is enough."""
    metric = METRICS[finding.metric]
    if not finding.evidence and finding.unexplained != NOT_LOOKED_FOR:
        yield EvidenceLine(metric.made, f"unknown: {finding.unexplained}", is_code=False)
    told = finding.evidence[:GROUPS]
    for number, one in enumerate(told):
        if one.waits_at is not None:
            yield EvidenceLine("waits at", code_words(one.waits_at, shown))
        if one.opened is not None and one.opened not in [other.opened for other in told[:number]]:
            yield EvidenceLine(metric.made, code_words(one.opened, shown))
        kept, count = one.kept_by, f"{one.count:,} × " if len(finding.evidence) > 1 and one.count > 1 else ""
        if kept is not None and one.waits_at is None:
            yield EvidenceLine("kept by", f"{count}{kept.chain}   ({kept.root}, {kept.through})")
        elif one.note:
            head = "then" if metric.judge is Judge.REUSE else "kept by"
            yield EvidenceLine(head, f"{count}{one.note}", is_code=False)
    if more := len(finding.evidence) - len(told):
        yield EvidenceLine("", f"and {more:,} more place{'' if more == 1 else 's'}", is_code=False)


def code_words(line: CodeSite, shown: set[CodeSite]) -> str:
    """A line of code with its place: `leaky.py:11 in run()   response = session.get(url, stream=True)`."""
    known = line in shown
    shown.add(line)
    return str(line) if known or not line.code else f"{line}   {line.code}"


def printed(half: HalfResult, most: int | None = None) -> list[str]:
    """A heading and the lines that are shown of the half's output; empty if it printed nothing.

    They are at most `most` (OUTPUT_LINES if None), the last LAST_LINES among them.
    """
    most = most or OUTPUT_LINES
    lines = [printable(line).expandtabs(4) for run in half.runs for line in run.trace.output.splitlines()]
    more = ""
    if len(lines) > most:
        # The message of an error is in its last line.
        more = f" ({most} of {len(lines):,} lines)"
        lines = [*lines[: most - LAST_LINES], "…", *lines[-LAST_LINES:]]
    who = {"almost": "The partial fix", "yours": "Your file"}.get(half.half, f"The {half.half} half")
    return [f"{who} printed{more}:", *lines] if lines else []


def halves_compared(results: Sequence[Result]) -> str:
    """The halves whose figures a comparison's cells hold, in order."""
    return " / ".join(map(half_label, max((result.halves for result in results), key=len, default=[])))


def compared_cells(result: Result, columns: Sequence[Column]) -> list[ComparedCell]:
    """One pair's cells, in the order of `columns`."""
    halves = result.halves.values()
    return [ComparedCell(tuple(map(column.figure, halves)), column.metric.name in result.telling) for column in columns]


def left_out(result: Result, shown: Sequence[Column]) -> list[str]:
    """Key figures that are in none of the columns shown: `memory (RSS), at the last step: 271/15 MiB`."""
    telling = [metric for metric in METRICS.values() if metric.name in result.telling]
    columns = [*WITH_END, *(Column(metric, metric.moments[-1]) for metric in telling if not metric.heads)]
    out = [column for column in columns if column not in shown and column.metric in telling]
    figures = [cell.joined("/") for cell in compared_cells(result, out)]
    return [
        f"{row_label(*column)}: {text} {column.unit}" for column, text in zip(out, figures, strict=True) if text != "–"
    ]
