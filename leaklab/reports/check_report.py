"""A check, hints, a solution and the progress, as Rich renderables that fit 80 columns."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from leaklab.judge.sentences import NOTHING_FOUND
from leaklab.judge.verdict import Finding
from leaklab.lab.result import Result
from leaklab.measure.source_line import SourceLine
from leaklab.metrics import METRICS, Judge
from leaklab.reports.lesson import aligned, compared
from leaklab.reports.rows import row_label
from leaklab.reports.table import output_lines
from leaklab.units import as_argument, lines_of, printable
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.progress_file import Exercise

HEADS = {
    CheckState.FIXED: ("FIXED", "bold green"),
    CheckState.LEAKS: ("NOT FIXED: it leaks", "bold red"),
    CheckState.WRONG_WORK: ("NOT FIXED: the work is not done", "bold red"),
    CheckState.FAILED: ("NOT FIXED: it failed", "bold red"),
    CheckState.TIMED_OUT: ("NOT FIXED: it timed out", "bold red"),
    CheckState.REFUSED: ("NOT FIXED: rejected", "bold red"),
    CheckState.UNDECIDED: ("NOT DECIDED", "bold yellow"),
    CheckState.INTERRUPTED: ("NOT MEASURED", "bold yellow"),
}

SOLUTION_HEADS = "your file (- lines are only in yours)", "our solution (+ lines are only in ours)"

AROUND = 2
"""Lines of the learner's file shown before and after the line that an error came from."""


def check_report(check: CheckResult, shown_as: Path, exercise: Exercise | None = None) -> RenderableType:
    """One screen: fixed or not, why, since when, next to leaky and fixed; what to do next.

    `shown_as` is the file as the learner named it; `exercise` includes this attempt.
    """
    parts: list[RenderableType] = [_title(check, shown_as)]
    if reason := _reason(check):
        parts.append(Padding(Text(reason), (0, 0, 0, 2), expand=False))
    if check.place is not None:
        parts += [Text(""), _excerpt(check.file, check.place)]
    if check.result is not None and check.state in (CheckState.FIXED, CheckState.LEAKS, CheckState.UNDECIDED):
        parts += [Text(""), _figures(check, check.result)]
    if check.yours is not None and (output := list(output_lines(check.yours))):
        parts += [Text(""), *output]
    parts += [Text(""), *_next(check, shown_as, exercise)]
    return Group(*parts)


def hints_report(hints: Sequence[str], shown: int, how_to_go_on: str = "Run it again") -> RenderableType:
    """The hints so far, the newest one last and highlighted, and how to see the next."""
    parts: list[RenderableType] = []
    for number, hint in enumerate(hints[:shown], start=1):
        newest = number == shown
        parts.append(Text(f"Hint {number} of {len(hints)}", style="bold" if newest else "dim"))
        parts.append(Padding(Text(hint, style="" if newest else "dim"), (0, 0, 1, 2), expand=False))
    left = "That was the last hint." if shown >= len(hints) else f"{how_to_go_on} for the next hint."
    return Group(*parts, Text(left))


def solution_report(learners: str, name: str, fixed: str, console: Console) -> RenderableType:
    """The learner's file and the fixed half, differences marked; side by side if there is room."""
    skipped = _task_lines(learners)
    yours, ours = aligned("\n".join(lines_of(learners)[skipped:]), fixed)
    yours = [line if line.number is None else replace(line, number=line.number + skipped) for line in yours]
    while yours and not (yours[0].text or ours[0].text):
        yours, ours = yours[1:], ours[1:]
    if all(line.change == "same" for line in (*yours, *ours)):
        return Text(f"{name} matches our solution line for line.")
    return compared(SOLUTION_HEADS, yours, ours, console.width, no_wrap=True)


def progress_report(exercises: Mapping[str, Exercise]) -> RenderableType:
    """A row for each exercise."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column("exercise", no_wrap=True, style="bold")
    table.add_column("started", no_wrap=True)
    table.add_column("attempts", justify="right")
    table.add_column("hints", justify="right")
    table.add_column("solved", no_wrap=True)
    for name, exercise in exercises.items():
        solved = Text("no", style="dim") if exercise.solved is None else Text(_day(exercise.solved), style="green")
        table.add_row(name, _day(exercise.started), str(exercise.attempts), str(exercise.hints), solved)
    done = sum(exercise.solved is not None for exercise in exercises.values())
    return Group(table, Text(f"\n{done} of {len(exercises)} solved"))


def _title(check: CheckResult, shown_as: Path) -> Text:
    words, style = HEADS[check.state]
    settings = str(check.result.settings) if check.result is not None else ""
    beside = f"{check.scenario}: {settings}" if settings else check.scenario
    return Text.assemble((words, style), f"  {shown_as}\n", (beside, "dim"))


def _reason(check: CheckResult) -> str:
    if check.state is CheckState.FIXED:
        return f"It does the work; {NOTHING_FOUND}."
    return check.reason


def _first_seen(showed: FirstSeen, finding: Finding) -> str:
    if showed.last == 0:
        return "It was already there before the first step finished."
    if showed.first == showed.last:
        judge = METRICS[finding.metric].judge
        more = f"has opened more {METRICS[finding.metric].plural}" if judge is Judge.REUSE else "holds more"
        limit = "memory than is allowed" if judge is Judge.MEMORY else "than the fixed half ever does"
        return f"From step {showed.last:,} on, your file {more} {limit}."
    return f"It first showed between step {showed.first:,} and step {showed.last:,}."


def _figures(check: CheckResult, result: Result) -> RenderableType:
    """The key metrics of the three halves, and the metric that decided."""
    decisive = None if check.finding is None else check.finding.metric
    names = [name for name in METRICS if name in result.telling or name == decisive]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("measured")
    for half in result.halves:
        table.add_column(half, justify="right", style="bold" if half == YOURS else "")
    for name in names:
        metric = METRICS[name]
        for reading in metric.moments:
            cells = [metric.format(half.value(name, reading.value)) for half in result.halves.values()]
            table.add_row("▸" if name == decisive else "", row_label(metric, reading), *cells)
    if check.showed is None or check.finding is None:
        return table
    first_seen = Text(_first_seen(check.showed, check.finding))
    return Group(table, Text(""), Padding(first_seen, (0, 0, 0, 2), expand=False))


def _excerpt(checked: Path, place: SourceLine) -> RenderableType:
    """The line that an error came from, with the lines around it."""
    try:
        lines = lines_of(checked.with_name(place.file).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        lines = []
    if not 1 <= place.line <= len(lines):
        return Text(f"  {place.file}, line {place.line}: {printable(place.text)}")
    shown: list[RenderableType] = [Text(f"  {place.file}, line {place.line}:")]
    for number in range(max(1, place.line - AROUND), min(len(lines), place.line + AROUND) + 1):
        here = number == place.line
        shown.append(
            Text.assemble(
                ("  ▸ " if here else "    ", "bold red"),
                (f"{number:>4}  ", "dim"),
                (printable(lines[number - 1].expandtabs(4)), "bold" if here else "dim"),
                no_wrap=True,
                overflow="ellipsis",
            )
        )
    return Group(*shown)


def _next(check: CheckResult, shown_as: Path, exercise: Exercise | None) -> Iterator[RenderableType]:
    if check.state is CheckState.INTERRUPTED:
        return
    attempts = "" if exercise is None else f"Attempt {exercise.attempts:,}. "
    if check.state is CheckState.FIXED:
        ours = f"leaklab solution {as_argument(shown_as)}" if exercise is not None else f"leaklab show {check.scenario}"
        yield Text.assemble(attempts, "Compare it with our solution: ", (ours, "bold"))
        return
    words = f"{attempts}{check.remedy}".strip()
    if check.state is CheckState.LEAKS and exercise is not None:
        yield Text.assemble(f"{words} Stuck? ".lstrip(), (f"leaklab hint {as_argument(shown_as)}", "bold"))
    elif words:
        yield Text(words)


def _task_lines(learners: str) -> int:
    """The number of lines of the task at the top of a learner's file."""
    try:
        first = ast.parse(learners).body[0]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        return 0
    is_task = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return (first.end_lineno or 0) if is_task else 0


def _day(stamp: str) -> str:
    """A time of the progress file, to the minute."""
    return stamp[:16].replace("T", " ")
