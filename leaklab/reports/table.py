"""Results as Rich tables: one scenario with its metrics down, or all scenarios with their halves side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.table import Column as TableColumn
from rich.table import Table
from rich.text import Text

from leaklab.content.catalog import Entry
from leaklab.judge.findings import Verdict
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.lab.validation import Validation
from leaklab.reports import rows
from leaklab.reports.rows import COMPARED, MOMENTS_EXPLAINED, WITH_END, Column, EvidenceLine

KEY = {True: "bold", False: "dim"}
STYLES = {Verdict.LEAKS: "bold red", Verdict.CLEAN: "bold green", Verdict.INCONCLUSIVE: "bold yellow"}


def ruled(*columns: TableColumn | str, title: Text | None = None, gap: int = 1) -> Table:
    """An empty table with a rule below its heads, and `gap` blanks after each column."""
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.padding = (0, gap, 0, 0)
    return table


def numbers(head: str, style: str = "") -> TableColumn:
    """A column of numbers."""
    return TableColumn(head, justify="right", style=style)


def scenario_list(entries: Sequence[tuple[Entry, str | None]]) -> Table:
    """The scenarios: id, pattern, what leaks, the cause. A broken one has its error instead."""
    first = TableColumn("scenario", no_wrap=True, style="bold")
    table = Table(first, "pattern", "leaks", "cause", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for entry, error in entries:
        if error is None:
            table.add_row(entry.id, entry.scenario.title, entry.scenario.leaks, entry.scenario.summary)
        else:
            table.add_row(entry.id, Text("broken", style="bold red"), "", Text(error, style="red"))
    return table


def validation_line(validation: Validation) -> Text:
    """One line if the scenario is valid; otherwise its name, and each problem on its own line."""
    name, result = (validation.scenario, "bold"), validation.result
    if validation.problems:
        problems = (f"\n      {problem}" for problem in validation.problems)
        stopped = result is not None and result.interrupted
        head = ("interrupted  ", "bold yellow") if stopped else ("FAIL  ", "bold red")
        return Text.assemble(head, name, *problems)
    halves = result.halves.items() if result else ()
    verdicts = ", ".join(f"{half_label(half)} {its.judgement.verdict}" for half, its in halves)
    return Text.assemble(("ok    ", "bold green"), name, f"  {verdicts}")


def scenario_result(result: Result, why: str) -> RenderableType:
    """One scenario: the table, the findings as sentences, one line of why."""
    explained = Text(f"   {MOMENTS_EXPLAINED}\n", style="dim")
    parts: list[RenderableType] = [_metrics_table(result), explained, _findings(result), Text("")]
    for half in result.halves.values():
        if output := list(output_lines(half)):
            parts += [*output, Text("")]
    if why:
        parts.append(Text.assemble(("Why: ", "bold"), why))
    return Group(*parts)


def _metrics_table(result: Result) -> Table:
    title = Text.assemble((result.scenario, "bold"), f"  {rows.conditions(result)}")
    halves = (numbers(half_label(half)) for half in result.halves)
    table = ruled(TableColumn("", no_wrap=True), "metric", *halves, numbers("difference"), title=title)
    for row in rows.metric_rows(result):
        table.add_row("▸" if row.is_key else "", row.label, *row.cells, row.difference, style=KEY[row.is_key])
    return table


def _findings(result: Result) -> Table:
    grid = Table.grid(TableColumn(no_wrap=True), TableColumn(no_wrap=True), "", padding=(0, 2, 0, 0))
    for name, half in result.halves.items():
        head: list[RenderableType] = [Text(half_label(name), style="bold"), _verdict(half)]
        for remark in rows.remarks(half):
            grid.add_row(*head, Text.assemble((remark.kind, "bold"), f"{' ' if remark.kind else ''}{remark.words}"))
            head = ["", ""]
            if remark.evidence:
                grid.add_row("", "", evidence(remark.evidence))
    return grid


def evidence(lines: Sequence[EvidenceLine]) -> Table:
    """Lines of evidence, what each says in front of it."""
    grid = Table.grid(
        TableColumn(no_wrap=True, style="dim", min_width=8), TableColumn(overflow="fold"), padding=(0, 1, 0, 0)
    )
    for line in lines:
        grid.add_row(line.head, Text(line.words))
    return grid


def output_lines(half: HalfResult, most: int | None = None) -> Iterator[RenderableType]:
    """What the half printed, below a heading; nothing if it printed nothing. `most` is as in `rows.printed`."""
    for index, line in enumerate(rows.printed(half, most)):
        yield Text(f"  {line}", no_wrap=True, overflow="ellipsis") if index else Text(line, style="bold")


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs, as a Rich renderable: the halves' figures side by side if they fit, otherwise one row per half."""

    results: Sequence[Result]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        unbounded = options.update(width=10_000)
        for beside, columns in product((True, False), (WITH_END, COMPARED)):
            table = _compared(self.results, columns, beside=beside)
            if Measurement.get(console, unbounded, table).maximum <= options.max_width:
                break
        yield table
        notes = [f"{result.scenario}: {words}" for result in self.results for words in rows.left_out(result, columns)]
        yield from map(Text, ["", *notes] if notes else [])


def _compared(results: Sequence[Result], columns: Sequence[Column], *, beside: bool) -> Table:
    # The narrowest box, so that all pairs fit into 80 columns.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, title_justify="left")
    table.add_column("scenario\n", no_wrap=True, style="bold")
    if beside:
        table.title = f"each cell: {rows.halves_compared(results)}"
    else:
        table.add_column("half\n")
    for column in columns:
        head = f"{column.head}\n{column.unit}" if column.unit else column.head
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict\n", no_wrap=True)
    for result in results:
        cells, halves = rows.compared_cells(result, columns), result.halves
        if beside:
            figures = [Text(cell.joined("/"), style=KEY[cell.is_key]) for cell in cells]
            table.add_row(result.scenario, *figures, Text("/").join(map(_verdict, halves.values())))
            continue
        for index, (name, half) in enumerate(halves.items()):
            figures = [Text(cell.figures[index], style=KEY[cell.is_key]) for cell in cells]
            table.add_row("" if index else result.scenario, half_label(name), *figures, _verdict(half))
        table.add_section()
    return table


def _verdict(half: HalfResult) -> Text:
    return Text(half.judgement.verdict.value, style=STYLES[half.judgement.verdict])
