"""Results as Rich tables: one scenario with its metrics down, or all scenarios with their halves side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from leaklab.catalog import Entry
from leaklab.metrics import METRICS, Metric, Reading
from leaklab.result import HalfResult, Result
from leaklab.scenario import Settings
from leaklab.units import format_duration, format_size
from leaklab.verdict import Verdict

STYLES = {Verdict.LEAKS: "bold red", Verdict.CLEAN: "bold green", Verdict.INCONCLUSIVE: "bold yellow"}

READINGS = {
    Reading.PEAK: "at peak",
    Reading.END: "at the last step",
    Reading.COLLECTED: "after return and gc",
}

COMPARED = (
    ("open_sockets", "peak", "open\nsockets"),
    ("connections_opened", "peak", "conns\nopened"),
    ("open_cursors", "peak", "open\ncursors"),
    ("threads", "peak", "threads\n"),
    ("elapsed", "peak", "elapsed\ns"),
    ("rss", "peak", "peak RSS\nMiB"),
)
"""What `compare` shows: metric, moment, head of the column."""

OUTPUT_LINES = 5
"""Lines of a half's output that are shown under a table."""


def scenario_list(entries: Sequence[tuple[Entry, str | None]]) -> Table:
    """What there is: id, pattern, what it leaks, one line. An entry's error stands where its line would be."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("scenario", no_wrap=True, style="bold")
    table.add_column("pattern")
    table.add_column("leaks")
    table.add_column("how")
    for entry, error in entries:
        if error is None:
            scenario = entry.scenario
            table.add_row(entry.id, scenario.title, scenario.leaks, scenario.summary)
        else:
            table.add_row(entry.id, Text("broken", style="bold red"), "", Text(error, style="red"))
    return table


def scenario_result(result: Result, why: str) -> RenderableType:
    """One scenario: the table, the findings in words, one line of why."""
    parts: list[RenderableType] = [_metrics_table(result), *_findings(result)]
    for half in result.halves.values():
        parts.extend(_output(half))
    if why:
        parts.append(Text.assemble(("Why: ", "bold"), why))
    return Group(*parts)


def settings_in_words(settings: Settings) -> str:
    """The settings as a title shows them: `50 steps, 256 MiB`."""
    words: list[str] = []
    if settings.steps is not None:
        words.append(f"{settings.steps:,} step{'s' if settings.steps != 1 else ''}")
    if settings.size is not None:
        words.append(format_size(settings.size))
    if settings.hang is not None:
        words.append(f"one service dead for {format_duration(settings.hang)} ({settings.dead})")
    if settings.deadline is not None:
        words.append(f"deadline {format_duration(settings.deadline)}")
    return ", ".join(words)


def _metrics_table(result: Result) -> Table:
    runs = max(len(half.runs) for half in result.halves.values())
    repeated = f", median of {runs} runs (least to most)" if runs > 1 else ""
    table = Table(
        title=Text.assemble((result.scenario, "bold"), f"  {settings_in_words(result.settings)}{repeated}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    table.add_column("metric")
    for half in result.halves:
        table.add_column(half, justify="right")
    table.add_column("difference", justify="right")
    for metric in METRICS.values():
        if not any(half.was_read(metric.name) for half in result.halves.values()):
            continue
        telling = metric.name in result.telling
        for reading in metric.readings:
            row = _metric_row(metric, reading, result.halves)
            table.add_row("▸" if telling else "", *row, style="bold" if telling else "dim")
    return table


def _metric_row(metric: Metric, reading: Reading, halves: Mapping[str, HalfResult]) -> list[str]:
    label = f"{metric.label}, {READINGS[reading]}" if len(metric.readings) > 1 else metric.label
    values = [half.value(metric.name, reading.value) for half in halves.values()]
    cells = [_cell(metric, half, reading) for half in halves.values()]
    first, last = values[0], values[-1]
    difference = "–"
    if first is not None and last is not None and len(values) > 1:
        gap = first - last
        difference = "0" if gap == 0 else f"{'+' if gap > 0 else '-'}{metric.format(abs(gap))}"
    return [label, *cells, difference]


def _cell(metric: Metric, half: HalfResult, reading: Reading) -> str:
    values = half.values(metric.name, reading.value)
    median = metric.format(half.value(metric.name, reading.value))
    if len(values) < 2 or min(values) == max(values):
        return median
    return f"{median} ({metric.format(min(values))} to {metric.format(max(values))})"


def _findings(result: Result) -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, half in result.halves.items():
        verdict = half.judgement.verdict
        lines = [
            Text.assemble((f"{f.kind}", "bold"), f" {METRICS[f.metric].label}: {f.reason}")
            for f in half.judgement.findings
        ]
        lines += [Text(f"in doubt: {doubt}") for doubt in half.judgement.doubts]
        if half.complaint is not None and not half.judgement.doubts:
            lines.append(Text(f"it did not do the work: {half.complaint}"))
        if not lines:
            lines.append(Text("nothing grows, nothing is left over, nothing is late"))
        for index, line in enumerate(lines):
            head = (Text(name, style="bold"), Text(verdict.value, style=STYLES[verdict])) if index == 0 else ("", "")
            grid.add_row(*head, line)
    yield grid
    yield Text("")


def _output(half: HalfResult) -> Iterator[RenderableType]:
    lines = [line for run in half.runs for line in run.trace.output.splitlines()]
    if not lines:
        return
    more = f" (first {OUTPUT_LINES} lines of {len(lines):,})" if len(lines) > OUTPUT_LINES else ""
    yield Text(f"The {half.half} half printed{more}:", style="bold")
    for line in lines[:OUTPUT_LINES]:
        yield Text(f"  {line}", no_wrap=True, overflow="ellipsis")
    yield Text("")


def comparison(results: Sequence[Result], console: Console) -> RenderableType:
    """All pairs: the halves' figures beside each other where they fit, else each half in a row of its own."""
    beside = _beside(results)
    unbounded = console.options.update(width=10_000)
    fits = Measurement.get(console, unbounded, beside).maximum <= console.width
    return beside if fits else _stacked(results)


def _plain_number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "bytes":
        return f"{value / 2**20:.0f}"
    if unit == "seconds":
        return f"{value:.2f}"
    return f"{value:.0f}"


def _beside(results: Sequence[Result]) -> Table:
    halves = max((result.halves for result in results), key=len)
    # The narrowest box, so that all pairs fit into 80 columns.
    table = Table(
        title=f"each cell: {' / '.join(halves)}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=0,
    )
    table.add_column("scenario\n", no_wrap=True, style="bold")
    for _, _, head in COMPARED:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict\n", no_wrap=True)
    for result in results:
        cells: list[Text] = []
        for name, moment, _ in COMPARED:
            values = [_plain_number(half.value(name, moment), METRICS[name].unit) for half in result.halves.values()]
            told = "–" if set(values) == {"–"} else "/".join(values)
            cells.append(Text(told, style="bold" if name in result.telling else "dim"))
        verdicts = Text("/").join(
            Text(half.judgement.verdict.value, style=STYLES[half.judgement.verdict]) for half in result.halves.values()
        )
        table.add_row(result.scenario, *cells, verdicts)
    return table


def _stacked(results: Sequence[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("scenario\n", no_wrap=True, style="bold")
    table.add_column("half\n", no_wrap=True)
    for _, _, head in COMPARED:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict\n", no_wrap=True)
    for result in results:
        for index, (name, half) in enumerate(result.halves.items()):
            cells = [
                Text(
                    _plain_number(half.value(metric, moment), METRICS[metric].unit),
                    style="bold" if metric in result.telling else "dim",
                )
                for metric, moment, _ in COMPARED
            ]
            verdict = half.judgement.verdict
            last = index == len(result.halves) - 1
            table.add_row(
                result.scenario if index == 0 else "",
                name,
                *cells,
                Text(verdict.value, style=STYLES[verdict]),
                end_section=last,
            )
    return table
