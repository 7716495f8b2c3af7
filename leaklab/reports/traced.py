"""The report of a traced program: its counts at each moment, what grew, and where its connections lead."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Column
from rich.text import Text

from leaklab.judge.findings import Verdict
from leaklab.measure.counting import MEANS, Way
from leaklab.metrics import METRICS, Metric
from leaklab.reports.rows import Remark, finding_remark
from leaklab.reports.table import STYLES, Hanging, numbers, remark_lines, ruled
from leaklab.units import format_duration

if TYPE_CHECKING:
    from rich.table import Table

    from leaklab.lab.tracing import TracedProgram, TraceMoment

SHOWN = ("open_fds", "threads", "child_processes", "zombie_processes", "rss", "connections_opened")
"""The rows of a trace. Of descriptors each kind has a row of its own below them, sockets among these."""

ENDS = 3
"""Ends of connections that are shown, at most."""

HUNG_UP = "CLOSE_WAIT"
"""The state of a connection that is explained."""


def trace_report(traced: TracedProgram) -> RenderableType:
    """A traced program: a table of what it had at each moment, the findings, and where its connections lead."""
    head = Text(name_of(traced), style="bold", no_wrap=True, overflow="ellipsis")
    parts: list[RenderableType] = [head, _table(traced), Text("")]
    parts += remark_lines("  ", _remarks(traced))
    parts += [Hanging(Text(line)) for line in _notes(traced)]
    return Group(*parts)


def moment_name(traced: TracedProgram, moment: TraceMoment) -> str:
    """What a moment is called: after how many loads, or after how long."""
    if traced.load is None:
        return "start" if moment is traced.moments[0] else f"after {format_duration(moment.at_s)}"
    if not moment.loads:
        return "warmed up"
    return f"after {moment.loads:,} load{'s' if moment.loads != 1 else ''}"


def name_of(traced: TracedProgram) -> str:
    """What a traced program is called: its command, or its number."""
    return shlex.join(traced.command) or f"process {traced.pid}"


def _table(traced: TracedProgram) -> Table:
    table = ruled(Column("", no_wrap=True), *(numbers(moment_name(traced, moment)) for moment in traced.moments), gap=2)
    found = {METRICS[one.metric].counter for one in traced.judgement.findings}
    for name in SHOWN:
        metric = METRICS[name]
        values = [moment.reading.counters.get(metric.counter) for moment in traced.moments]
        if metric.rare and not any(values):
            continue
        style = STYLES[Verdict.LEAKS] if metric.counter in found else ""
        table.add_row(metric.label, *(Text(_cell(metric, value), style) for value in values))
        if name == "open_fds":
            kinds = dict.fromkeys(kind for moment in reversed(traced.moments) for kind in moment.reading.kinds)
            for kind in kinds:
                counts = [moment.reading.kinds.get(kind, 0) for moment in traced.moments]
                table.add_row(f"  {kind}", *(f"{count:,}" for count in counts), style="dim")
    verdict = traced.judgement.verdict
    cells = [""] * (len(traced.moments) - 1)
    table.add_row("verdict", *cells, Text(verdict.value, STYLES[verdict]))
    return table


def _cell(metric: Metric, value: float | None) -> str:
    return "unknown" if value is None else metric.format(value)


def _remarks(traced: TracedProgram) -> list[Remark]:
    judgement, known = traced.judgement, set[str]()
    said = [finding_remark(finding, set(), known) for finding in judgement.findings]
    said += [Remark("", doubt) for doubt in judgement.doubts]
    return said or [Remark("", judgement.looked_at)]


def _notes(traced: TracedProgram) -> Iterator[str]:
    """Where its connections lead, how they were counted, and what else there is to know."""
    last = traced.moments[-1].reading
    ends = sorted(last.ends.items(), key=lambda end: -end[1])
    told = [f"{count:,} {words} {state}" for (words, state), count in ends[:ENDS]]
    if told:
        more = f", and {len(ends) - ENDS:,} more" if len(ends) > ENDS else ""
        hung_up = any(state == HUNG_UP for (_, state), _ in ends[:ENDS])
        means = "; CLOSE_WAIT: the other end has hung up, and the program has not closed its own" if hung_up else ""
        yield f"TCP connections at the end: {', '.join(told)}{more}{means}"
    if traced.why_unknown and traced.way is not Way.NONE:
        yield f"connections opened: unknown, as {traced.why_unknown}"
    elif traced.way is Way.NONE:
        yield f"connections opened: unknown ({traced.why_unknown})" if traced.why_unknown else ""
    else:
        yield f"connections opened, failed attempts too: counted by {MEANS[traced.way]}"
    if last.unread:
        pids = ", ".join(map(str, last.unread))
        yield f"not read, as they belong to another user: the descriptors of process {pids}"
    if traced.retried_s:
        yield f"the first load succeeded after {format_duration(traced.retried_s)}: until then the program was starting"
    if traced.fewer:
        yield traced.fewer
    if traced.interrupted:
        yield "interrupted: this is what was measured until then"
