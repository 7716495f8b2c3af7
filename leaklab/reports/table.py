"""Results as Rich tables: one scenario with its metrics down, or all scenarios with their halves side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from leaklab.content.catalog import Entry
from leaklab.judge.verdict import Verdict
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.reports.rows import (
    COMPARED,
    MOMENTS_EXPLAINED,
    WITH_END,
    Column,
    ComparedCell,
    compared_cells,
    compared_halves,
    conditions,
    left_out,
    metric_rows,
    printed,
    remarks,
)

STYLES = {Verdict.LEAKS: "bold red", Verdict.CLEAN: "bold green", Verdict.INCONCLUSIVE: "bold yellow"}


def scenario_list(entries: Sequence[tuple[Entry, str | None]]) -> Table:
    """The scenarios: id, pattern, what leaks, the cause. A broken one has its error instead."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("scenario", no_wrap=True, style="bold")
    table.add_column("pattern")
    table.add_column("leaks")
    table.add_column("cause")
    for entry, error in entries:
        if error is None:
            scenario = entry.scenario
            table.add_row(entry.id, scenario.title, scenario.leaks, scenario.summary)
        else:
            table.add_row(entry.id, Text("broken", style="bold red"), "", Text(error, style="red"))
    return table


def scenario_result(result: Result, why: str) -> RenderableType:
    """One scenario: the table, the findings as sentences, one line of why."""
    parts: list[RenderableType] = [
        _metrics_table(result),
        Text(f"   {MOMENTS_EXPLAINED}\n", style="dim"),
        *_findings(result),
    ]
    for half in result.halves.values():
        if output := list(output_lines(half)):
            parts += [*output, Text("")]
    if why:
        parts.append(Text.assemble(("Why: ", "bold"), why))
    return Group(*parts)


def _metrics_table(result: Result) -> Table:
    table = Table(
        title=Text.assemble((result.scenario, "bold"), f"  {conditions(result)}"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", no_wrap=True)
    table.add_column("metric")
    for half in result.halves:
        table.add_column(half_label(half), justify="right")
    table.add_column("difference", justify="right")
    for row in metric_rows(result):
        table.add_row(
            "▸" if row.is_key else "", row.label, *row.cells, row.difference, style="bold" if row.is_key else "dim"
        )
    return table


def _findings(result: Result) -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, half in result.halves.items():
        for index, remark in enumerate(remarks(half)):
            head = [Text(half_label(name), style="bold"), _verdict(half)]
            line = Text.assemble((remark.kind, "bold"), f" {remark.words}") if remark.kind else Text(remark.words)
            grid.add_row(*(head if index == 0 else ["", ""]), line)
    yield grid
    yield Text("")


def output_lines(half: HalfResult) -> Iterator[RenderableType]:
    """What the half printed, below a heading; nothing if it printed nothing."""
    if (output := printed(half)) is not None:
        yield Text(output.heading, style="bold")
        yield from (Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in output.lines)


def comparison(results: Sequence[Result], console: Console) -> RenderableType:
    """All pairs: the halves' figures side by side if they fit, otherwise one row per half."""
    unbounded = console.options.update(width=10_000)
    for draw, columns in ((_beside, WITH_END), (_beside, COMPARED), (_stacked, WITH_END), (_stacked, COMPARED)):
        table = draw(results, columns)
        if Measurement.get(console, unbounded, table).maximum <= console.width:
            break
    notes = [Text(f"{result.scenario}: {words}") for result in results for words in left_out(result, columns)]
    return Group(table, Text(""), *notes) if notes else table


def _table(columns: Sequence[Column], *, halves: Sequence[str] = ()) -> Table:
    """A table with the given figures; with `halves`, they share its cells, otherwise each has a row."""
    # The narrowest box, so that all pairs fit into 80 columns.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, title_justify="left")
    table.add_column("scenario\n", no_wrap=True, style="bold")
    if halves:
        table.title = f"each cell: {' / '.join(map(half_label, halves))}"
    else:
        table.add_column("half\n")
    for column in columns:
        head = f"{column.words}\n{column.unit}" if column.unit else column.words
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict\n", no_wrap=True)
    return table


def _figure(text: str, cell: ComparedCell) -> Text:
    return Text(text, style="bold" if cell.is_key else "dim")


def _verdict(half: HalfResult) -> Text:
    return Text(half.judgement.verdict.value, style=STYLES[half.judgement.verdict])


def _beside(results: Sequence[Result], columns: Sequence[Column]) -> Table:
    table = _table(columns, halves=compared_halves(results))
    for result in results:
        cells = compared_cells(result, columns)
        figures = [_figure("–" if cell.unread else "/".join(cell.figures), cell) for cell in cells]
        table.add_row(result.scenario, *figures, Text("/").join(map(_verdict, result.halves.values())))
    return table


def _stacked(results: Sequence[Result], columns: Sequence[Column]) -> Table:
    table = _table(columns)
    for result in results:
        cells = compared_cells(result, columns)
        for index, (name, half) in enumerate(result.halves.items()):
            scenario = result.scenario if index == 0 else ""
            figures = [_figure(cell.figures[index], cell) for cell in cells]
            last = index == len(result.halves) - 1
            table.add_row(scenario, half_label(name), *figures, _verdict(half), end_section=last)
    return table
