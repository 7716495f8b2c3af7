"""The content of every report, as plain rows of text; the renderers differ only in how they draw them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from leaklab.content.declaration import ALL_HALVES
from leaklab.explain.evidence import CodeSite
from leaklab.judge.findings import NOT_LOOKED_FOR, Finding, Verdict
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.measure.run_trace import Outcome
from leaklab.metrics import METRICS, FindingKind, Judge, Metric, Moment
from leaklab.units import printable

MOMENT_LABELS = {Moment.PEAK: "peak", Moment.END: "last step", Moment.COLLECTED: "after run()"}
"""The names of the moments in tables; the last is after garbage collection, too."""

OUTPUT_LINES = 5
"""Lines of a half's output shown below a table."""

LAST_LINES = 2
"""How many of them come from its end."""

SEGMENTS = 3
"""Pieces of shared memory that are named."""

GROUPS = 3
"""Groups of evidence that are shown of a finding, at most."""

ABANDONED = "abandoned"
"""Said of what goes on after its caller has given up: a finding of the kind `stalled`, whose answer was in time."""

CRASHED = "crashed"
"""Said of a half that an error ended."""

MEANS = {**{kind.value: kind.means for kind in FindingKind}, ABANDONED: "goes on after run()"}
"""What each word for a finding means, in at most three words, in the order in which they are explained."""

MOST_OF_IT = 0.9
"""A group that is this share of all that was found is enough."""


class MetricRow(NamedTuple):
    """A metric at a moment, and a cell with its unit for each half."""

    metric: Metric
    moment: Moment
    cells: tuple[str, ...]

    @property
    def label(self) -> str:
        """What a table calls it."""
        return row_label(self.metric, self.moment)


class EvidenceLine(NamedTuple):
    """A line of evidence: what it says, as `opened` or `kept by`, and that: code, or words.

    `is_place` says that it begins with a file and a line: what follows may be cut off.
    """

    head: str
    words: str
    is_code: bool = True
    is_place: bool = False


class Remark(NamedTuple):
    """A remark on a half: the kind of finding, `forecast` or nothing, the sentence, and the evidence for it.

    `means` says in three words what the kind is, where it appears for the first time.
    """

    kind: str
    words: str
    evidence: tuple[EvidenceLine, ...] = ()
    means: str = ""


def conditions(result: Result) -> str:
    """The conditions of a measurement: its settings, and how often each half was run."""
    runs = max((len(half.runs) for half in result.halves.values()), default=1)
    repeated = f"median of {runs} runs (least to most)" if runs > 1 else ""
    return ", ".join(filter(None, [str(result.settings), repeated]))


def telling_rows(result: Result) -> list[MetricRow]:
    """The rows that made a finding on any half, at the moment that tells, the first half's first.

    If nothing was found, they are those that the scenario is known for.
    """
    halves = result.halves.values()
    shown = [(METRICS[one.metric], telling_moment(one)) for half in halves for one in found(half)]
    known = [(METRICS[name], moment) for name in result.telling for moment in METRICS[name].moments]
    return [row for metric, moment in dict.fromkeys(shown or known) if (row := _row(result, metric, moment))]


def verdict_words(half: HalfResult) -> str:
    """The verdict on a half; of one that leaks, in which ways: `leaked, wasted`; of one that crashed, that it did."""
    kinds = [CRASHED] if half.outcome is Outcome.CRASHED else []
    kinds += dict.fromkeys(map(kind_word, half.judgement.findings))
    return ", ".join(kinds) or half.judgement.verdict.value


def kind_word(finding: Finding) -> str:
    """The word for a finding, one of MEANS."""
    is_left = finding.kind is FindingKind.STALLED and METRICS[finding.metric].abandoned
    return ABANDONED if is_left else finding.kind.value


def key_rows(result: Result) -> list[MetricRow]:
    """The rows that tell, and those of the scenario's key metrics in which the leaky and the fixed half differ."""
    rows = telling_rows(result)
    shown = {row.metric.name for row in rows}
    known = (METRICS[name] for name in result.telling if name not in shown)
    others = [row for metric in known if (row := _row(result, metric, metric.moments[-1]))]
    return [*rows, *(row for row in others if row.cells[0] != row.cells[1])]


def other_rows(result: Result) -> list[MetricRow]:
    """Each metric at each moment that was read for any half, without `telling_rows`, in the order of the metrics."""
    telling = {(row.metric, row.moment) for row in telling_rows(result)}
    rows: list[MetricRow] = []
    for metric in METRICS.values():
        most = max(half.rise(metric.name, Moment.PEAK) or 0 for half in result.halves.values())
        if metric.rare and most < metric.floor and metric.name not in result.telling:
            continue
        places = ((metric, moment) for moment in metric.moments if (metric, moment) not in telling)
        rows += [row for place in places if (row := _row(result, *place))]
    return rows


def found(half: HalfResult) -> tuple[Finding, ...]:
    """The findings on a half; of one without a verdict, what was there and may be a leak."""
    return (*half.judgement.findings, *half.suspected)


def is_found(half: HalfResult, row: MetricRow) -> bool:
    """Whether the figure of a half in this row is a finding on it."""
    return (row.metric, row.moment) in [(METRICS[one.metric], telling_moment(one)) for one in half.judgement.findings]


def telling_moment(finding: Finding) -> Moment:
    """The moment of the metric at which a table shows what was found."""
    metric = METRICS[finding.metric]
    if finding.kind is not FindingKind.HELD:
        return metric.moments[-1]
    # What is held without growing with the work is over a budget, which is for the last step.
    return Moment.PEAK if finding.work or Moment.END not in metric.moments else Moment.END


def row_label(metric: Metric, moment: Moment) -> str:
    """What a table calls a metric at a moment: `open sockets, after run()`."""
    return metric.label if len(metric.moments) == 1 else f"{metric.label}, {MOMENT_LABELS[moment]}"


def _row(result: Result, metric: Metric, moment: Moment) -> MetricRow | None:
    halves = result.halves.values()
    if all(half.value(metric.name, moment) is None for half in halves):
        return None
    return MetricRow(metric, moment, tuple(_cell(metric, half, moment) for half in halves))


def _cell(metric: Metric, half: HalfResult, moment: Moment) -> str:
    values = half.values(metric.name, moment)
    median = metric.format(half.value(metric.name, moment))
    if len(values) < 2 or min(values) == max(values):
        return median
    return f"{median} ({metric.format(min(values))} to {metric.format(max(values))})"


def remarks(half: HalfResult, known: set[str] | None = None) -> list[Remark]:
    """The remarks on a half: findings, what does not grow, doubts, forecasts, what is wrong; at least one.

    `known` are the words for findings that were explained before; those that are explained here are added.
    """
    judgement, shown = half.judgement, set[CodeSite]()
    said = [
        *(finding_remark(finding, shown, set() if known is None else known) for finding in judgement.findings),
        *(Remark("", words) for words in judgement.steady),
        *(Remark("", doubt) for doubt in judgement.doubts),
        *(Remark("", found.reason, tuple(evidence_lines(found, shown))) for found in half.suspected),
        # The limit that is reached first.
        *(Remark("forecast", forecast.words) for forecast in sorted(half.forecast, key=lambda one: one.steps)[:1]),
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


def finding_remark(finding: Finding, shown: set[CodeSite], known: set[str]) -> Remark:
    """A remark on a finding, with its evidence; `known` are the words for findings that were explained before."""
    word = kind_word(finding)
    means = "" if word in known else MEANS[word]
    known.add(word)
    return Remark(word, finding.reason, tuple(evidence_lines(finding, shown)), means)


def left_behind(half: HalfResult) -> str:
    """What it left that does not go with its process, and was removed; empty if nothing."""
    names = [name for run in half.runs for name in run.trace.shared_memory]
    named = ", ".join(names[:SEGMENTS]) + (", …" if len(names) > SEGMENTS else "")
    return f"it left shared memory behind, which was removed: {printable(named)}" if names else ""


def evidence_lines(finding: Finding, shown: set[CodeSite]) -> Iterator[EvidenceLine]:
    """The evidence for a finding, or why there is none. A line of code that is `shown` already is not repeated."""
    metric = METRICS[finding.metric]
    if not finding.evidence and finding.unexplained != NOT_LOOKED_FOR:
        yield EvidenceLine(metric.made, f"unknown: {finding.unexplained}", is_code=False)
    whole = sum(one.count for one in finding.evidence)
    told = [one for one in finding.evidence if one.count >= MOST_OF_IT * whole] or finding.evidence[:GROUPS]
    # Among several places each is named, with or without its code.
    several, named = len({one.opened for one in told}) > 1, set[CodeSite | None]({None})
    for one in told:
        if finding.kind is FindingKind.STALLED and one.waits_at is None and shown:
            # What holds it waits in a line that was shown; what is kept for the next call may be among these.
            continue
        if one.waits_at is not None:
            # It says more than where it was started.
            yield EvidenceLine("waits at", code_words(one.waits_at, shown), is_place=True)
        is_known = one.waits_at is not None and one.waits_at.code
        if not is_known and one.opened is not None and one.opened not in named and (several or one.opened not in shown):
            yield EvidenceLine(metric.made, code_words(one.opened, shown), is_place=True)
        named.add(one.opened)
        kept, count = one.kept_by, f"{one.count:,} × " if len(told) > 1 and one.count > 1 else ""
        if kept is not None and one.waits_at is None:
            file = "" if one.opened is None else re.escape(one.opened.file)
            # The file is named in the line above.
            root = re.sub(f" (of|in) {file}$", "", kept.root) if file else kept.root
            yield EvidenceLine("kept by", f"{count}{kept.chain}  ({root}, {kept.through})")
        elif one.note:
            if metric.judge is Judge.REUSE or one.waits_at is not None:
                head = "then" if one.waits_at is None else "for"
                yield EvidenceLine(head, f"{count}{one.note}", is_code=False)
            else:
                yield EvidenceLine("kept by", f"{one.note}{f': {one.count:,} of them' if count else ''}", is_code=False)
    if (more := len(finding.evidence) - len(told)) and len(told) > 1:
        yield EvidenceLine("", f"and {more:,} more place{'' if more == 1 else 's'}", is_code=False)


def code_words(line: CodeSite, shown: set[CodeSite]) -> str:
    """A line of code with its place: `leaky.py:11  response = session.get(url, stream=True)`."""
    known = line in shown
    shown.add(line)
    return str(line) if known or not line.code else f"{line.file}:{line.line}  {line.code}"


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
    label = half_label(half.half)
    who = "Your file" if half.half == "yours" else f"The {label}{' half' if label == half.half else ''}"
    return [f"{who} printed{more}:", *lines] if lines else []


def halves_of(results: Sequence[Result]) -> list[str]:
    """The names of the halves that any of these results has, in the order they are shown."""
    return [name for name in ALL_HALVES if any(name in result.halves for result in results)]


def at_a_glance(result: Result) -> dict[str, tuple[str, Metric]]:
    """For each half what tells most, in a few words, and the metric: `50 sockets leaked`, or `1 socket` if it is clean.

    Of a half without a finding it is the figure of what the first one with a finding left. Figures are above the start.
    """
    halves = result.halves.values()
    first = next((one for half in halves for one in found(half)), None)
    told: dict[str, tuple[str, Metric]] = {}
    for half in halves:
        finding = next(iter(half.judgement.findings), first)
        metric = METRICS[result.telling[0] if finding is None else finding.metric]
        if half.outcome is Outcome.CRASHED:
            told[half.half] = CRASHED, metric
            continue
        if finding in half.judgement.findings:
            told[half.half] = f"{_few_words(metric, finding.value)} {kind_word(finding)}", metric
            continue
        rise = half.rise(metric.name, metric.moments[-1] if finding is None else telling_moment(finding))
        told[half.half] = metric.format(None) if rise is None else _few_words(metric, max(0, rise)), metric
    return told


def _few_words(metric: Metric, value: float) -> str:
    if metric.unit != "bytes":
        return metric.quantity(value)
    return metric.format(value) if value >= metric.least else f"< {metric.format(metric.least)}"
