"""Results as Rich tables: one scenario with what tells and what was found, or several with a line each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, ConsoleOptions, Group, OverflowMethod, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column as TableColumn
from rich.table import Table
from rich.text import Text

from leaklab.content.catalog import Entry
from leaklab.content.declaration import PARTIAL_FIXES
from leaklab.content.languages import language_of
from leaklab.judge.findings import Verdict
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.lab.validation import Validation
from leaklab.metrics import Metric
from leaklab.reports import rows
from leaklab.reports.rows import EvidenceLine, Remark
from leaklab.reports.series import SPARKLINE, scale, series, sparkline
from leaklab.workshop.progress_file import Exercise

STYLES = {Verdict.LEAKS: "bold red", Verdict.CLEAN: "bold green", Verdict.INCONCLUSIVE: "bold yellow"}

LEAST_SPARKLINE = 4
"""Characters of the shortest sparkline that is worth it."""

LONG_ID = 24
"""Characters of a scenario's id from which on it may be folded."""

FIRST, SECOND = PARTIAL_FIXES
"""A comparison has a column for the first; the second, where there is one, stands below it."""

UNBOUNDED = 10_000
"""Columns in which any table has room."""


def ruled(*columns: TableColumn | str, title: Text | None = None, gap: int = 1) -> Table:
    """An empty table with a rule below its heads, and `gap` blanks after each column."""
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.padding = (0, gap, 0, 0)
    return table


def _ids(scenarios: Sequence[str]) -> TableColumn:
    """The column of the scenarios' ids: folded only if one is so long that it would take the room of all else."""
    is_long = max(map(len, scenarios), default=0) > LONG_ID
    return TableColumn("scenario", no_wrap=not is_long, overflow="fold", style="bold")


def numbers(head: str, style: str = "") -> TableColumn:
    """A column of numbers."""
    return TableColumn(head, justify="right", style=style)


def scenario_list(entries: Sequence[tuple[Entry, str | None]], exercises: Mapping[str, Exercise]) -> Table:
    """The scenarios: id, what leaks; of the exercise the minutes, the difficulty, and how far it has come.

    A broken one has its error instead. `exercises` are those of the folder.
    """
    table = ruled(
        _ids([entry.id for entry, _ in entries]), "leaks", numbers("minutes"), "difficulty", "exercise", gap=2
    )
    here = {(one.scenario, language_of(Path(file))): one for file, one in exercises.items()}
    for entry, error in entries:
        if error is not None:
            table.add_row(entry.id, Text.assemble(("broken: ", "bold red"), (error, "red")))
            continue
        scenario, exercise = entry.scenario, here.get((entry.id, entry.language))
        minutes = "–" if scenario.minutes is None else str(scenario.minutes)
        nothing = "–" if entry.is_exercise else "none"
        done = Text(nothing if exercise is None else "started" if exercise.solved is None else "solved")
        if exercise is not None:
            done.stylize("yellow" if exercise.solved is None else "green")
        table.add_row(entry.id, scenario.leaks, minutes, scenario.difficulty or "–", done)
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


def scenario_result(result: Result, why: str, every: bool = False) -> RenderableType:
    """One scenario: the rows that tell, or `every` row, the findings as sentences, one line of why."""
    known = set[str]()
    parts: list[RenderableType] = [MetricsTable(result, every=every), Text("")]
    parts += [part for half in result.halves.values() for part in _findings(half, known)]
    for half in result.halves.values():
        if output := list(output_lines(half)):
            parts += [Text(""), *output]
    if why:
        parts += [Text(""), why_line(why)]
    return Group(*parts)


def why_line(why: str) -> Text:
    """The lesson in a line."""
    return Text.assemble(("Why: ", "bold"), why)


@dataclass(frozen=True, slots=True)
class MetricsTable:
    """The rows of one scenario, a column for each half, with a sparkline beside each figure if there is room."""

    result: Result
    every: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        head = Text.assemble((self.result.title, "bold"), f"  {rows.conditions(self.result)}")
        # It stands in the head of the first column, unless that takes the room of the sparklines.
        spark = longest_sparkline(console, options, lambda width: self._table(head, width))
        if spark:
            yield self._table(head, spark)
            return
        yield head
        first = Text("")
        yield self._table(first, longest_sparkline(console, options, lambda width: self._table(first, width)))

    def _table(self, first: Text, spark: int) -> Table:
        result = self.result
        table = ruled(TableColumn(first), *(numbers(half_label(half)) for half in result.halves), gap=2)
        for row in rows.telling_rows(result):
            pictures = pictures_of(result, row.metric, spark)
            convicts = (rows.is_found(half, row) for half in result.halves.values())
            cells = (
                Text.assemble((cell, STYLES[Verdict.LEAKS] if its_finding else ""), (picture, "dim"))
                for cell, picture, its_finding in zip(row.cells, pictures, convicts, strict=True)
            )
            table.add_row(row.label, *cells)
        table.add_row("verdict", *map(kinds_found, result.halves.values()))
        if self.every:
            table.add_section()
            for row in rows.other_rows(result):
                table.add_row(row.label, *row.cells, style="dim")
        return table


def longest_sparkline(console: Console, options: ConsoleOptions, table: Callable[[int], Table]) -> int:
    """The characters of the sparklines with which a table fits into the console; 0 if none fit."""
    unbounded = options.update(width=UNBOUNDED)
    fits = (
        width
        for width in range(SPARKLINE, LEAST_SPARKLINE - 1, -1)
        if Measurement.get(console, unbounded, table(width)).maximum <= options.max_width
    )
    return next(fits, 0)


def pictures_of(result: Result, metric: Metric, width: int) -> list[str]:
    """For each half a sparkline of the metric in `width` characters, after a blank; a bar for seconds."""
    if not width:
        return [""] * len(result.halves)
    halves = result.halves.values()
    if metric.unit == "seconds":
        took = [half.value(metric.name, metric.moments[-1]) or 0.0 for half in halves]
        bars = ("█" * max(1, round(width * each / max(took))) if each else "" for each in took)
        return [" " + bar.ljust(width) for bar in bars]
    went = [series(half.runs[0].trace, metric.name).values for half in halves]
    lowest, highest = scale(metric, went)
    return [" " + sparkline(values, lowest, highest, width).ljust(width) for values in went]


def _findings(half: HalfResult, known: set[str]) -> Iterator[RenderableType]:
    """What is said of a half: its name, each remark with the evidence below it."""
    return remark_lines(f"{half_label(half.half)}  ", rows.remarks(half, known))


def remark_lines(label: str, remarks: Sequence[Remark]) -> Iterator[RenderableType]:
    """A label and the remarks on what it names, each with the evidence below it."""
    head = (label, "bold")
    for remark in remarks:
        means = f" ({remark.means})" if remark.means else ""
        kind = f"{remark.kind}{means}: " if remark.kind else ""
        yield Hanging(Text.assemble(head, (kind, "bold"), remark.words))
        head = ("  ", "")
        if remark.evidence:
            yield Padding.indent(evidence(remark.evidence), 2)


@dataclass(frozen=True, slots=True)
class Hanging:
    """A sentence whose lines after the first one are indented."""

    text: Text
    indent: int = 2

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        head, rest = self.text.divide([self.indent])
        first, *others = rest.wrap(console, options.max_width - self.indent)
        yield Text.assemble(head, first)
        yield from (Padding.indent(line, self.indent) for line in others)


def evidence(lines: Sequence[EvidenceLine]) -> Table:
    """Lines of evidence, what each says in front of it."""
    grid = Table.grid(
        TableColumn(no_wrap=True, style="dim", min_width=7), TableColumn(overflow="fold"), padding=(0, 1, 0, 0)
    )
    for line in lines:
        overflow: OverflowMethod = "ellipsis" if line.is_place else "fold"
        grid.add_row(line.head, Text(line.words, no_wrap=line.is_place, overflow=overflow))
    return grid


def output_lines(half: HalfResult, most: int | None = None) -> Iterator[RenderableType]:
    """What the half printed, below a heading; nothing if it printed nothing. `most` is as in `rows.printed`."""
    for index, line in enumerate(rows.printed(half, most)):
        yield Text(f"  {line}", no_wrap=True, overflow="ellipsis") if index else Text(line, style="bold")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Each pair in a line, as a Rich renderable: what tells of each half, with a sparkline if there is room."""

    results: Sequence[Result]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        yield self._table(longest_sparkline(console, options, self._table))
        halves = [half for result in self.results for half in result.halves.values()]
        kinds = {rows.kind_word(one) for half in halves for one in rows.found(half)[:1]}
        words = [f"{kind}: {means}" for kind, means in rows.MEANS.items() if kind in kinds]
        words += [f"2nd: {half_label(SECOND)}"] if any(half.half == SECOND for half in halves) else []
        yield Text(f"\n{'; '.join(words)}" if words else "", style="dim")

    def _table(self, spark: int) -> Table:
        # A second partial fix has a line of its own: four columns are too many.
        names = [name for name in rows.halves_of(self.results) if name != SECOND]
        table = ruled(_ids([one.title for one in self.results]), *map(half_label, names), gap=2)
        for result in self.results:
            cells = self._cells(result, spark)
            table.add_row(result.title, *(cells.get(name, Text("")) for name in names))
            if SECOND in cells:
                second = Text.assemble("2nd: ", cells[SECOND])
                table.add_row("", *(second if name == FIRST else Text("") for name in names))
        return table

    def _cells(self, result: Result, spark: int) -> dict[str, Text]:
        cells: dict[str, Text] = {}
        for index, (name, (words, metric)) in enumerate(rows.at_a_glance(result).items()):
            picture = pictures_of(result, metric, spark)[index]
            cells[name] = Text.assemble(_in_words(result.halves[name], words), (picture, "dim"))
        return cells


def _in_words(half: HalfResult, glance: str) -> Text:
    decided = half.judgement.verdict
    said = glance if decided is Verdict.LEAKS or glance == rows.CRASHED else f"{decided}, {glance}"
    return Text(said, style=STYLES[decided])


def kinds_found(half: HalfResult) -> Text:
    """The verdict on a half, in its colour; of one that leaks, in which ways."""
    return Text(rows.verdict_words(half), style=STYLES[half.judgement.verdict])
