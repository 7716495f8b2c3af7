"""A check, hints and a solution, as Rich renderables that fit 80 columns."""

import ast
import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from leaklab.content.languages import GO, PYTHON, language_of
from leaklab.explain.evidence import CodeSite
from leaklab.judge.findings import Finding
from leaklab.lab.result import Result
from leaklab.measure.source_line import UNPARSABLE, SourceLine, lines_in
from leaklab.metrics import METRICS, Judge
from leaklab.reports import rows
from leaklab.reports.lesson import CONTEXT, compared
from leaklab.reports.table import evidence, numbers, output_lines, ruled
from leaklab.units import as_argument, format_size, lines_of, printable
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.progress_file import Exercise

HEADS = {
    CheckState.FIXED: ("FIXED", "bold green"),
    CheckState.LEAKS: ("NOT FIXED", "bold red"),
    CheckState.WRONG_WORK: ("NOT FIXED: the work is not done", "bold red"),
    CheckState.FAILED: ("NOT FIXED: it failed", "bold red"),
    CheckState.TIMED_OUT: ("NOT FIXED: it timed out", "bold red"),
    CheckState.REFUSED: ("NOT FIXED: rejected", "bold red"),
    CheckState.UNDECIDED: ("NOT DECIDED", "bold yellow"),
    CheckState.INTERRUPTED: ("NOT MEASURED", "bold yellow"),
}

SOLUTION_HEAD = "your file (-), our solution (+)"
SOLUTION_HEADS = "your file (- lines are only in yours)", "our solution (+ lines are only in ours)"

PRAISE = "Well done."

OTHERS = 2
"""Other findings that are shown beside the one that decided, and lines of evidence for each."""

AROUND = 2
"""Lines of the learner's file shown before and after the line that an error came from."""


class ExcerptLine(NamedTuple):
    """A line of the learner's file as it is shown, and whether it is the one that is meant."""

    number: int
    code: str
    is_marked: bool


def check_report(check: CheckResult, file: Path, exercise: Exercise | None = None, keys: str = "") -> RenderableType:
    """One screen: fixed or not, why, since when, next to leaky and fixed; what to do next.

    `file` is the file as the learner named it; `exercise` includes this attempt. `keys` says which keys lead on;
    without any, the commands are shown.
    """
    return Group(*_parts(check, file, exercise, keys))


def head(check: CheckResult) -> str:
    """Whether the file is fixed, in capitals; of one that leaks, in which ways: `NOT FIXED: leaked, wasted`."""
    kinds = dict.fromkeys(rows.kind_word(one) for one in (check.finding, *check.findings) if one is not None)
    words = HEADS[check.state][0]
    return f"{words}: {', '.join(kinds)}" if check.state is CheckState.LEAKS else words


def conditions(check: CheckResult) -> str:
    """The scenario, its settings, the other choices that were tried, and when the halves were measured, if before."""
    words = ": ".join(filter(None, [check.scenario, "" if check.result is None else rows.conditions(check.result)]))
    words += f"; also with {', '.join(check.also_with)}" if check.also_with else ""
    if check.controls_at is not None:
        words += f" · leaky and fixed: measured at {check.controls_at.astimezone():%H:%M}"
    return words


def reason(check: CheckResult) -> str:
    """Why the file is fixed or is not, in a sentence; empty if there is nothing to say."""
    return f"It does the work and leaks nothing: {check.looked_at}." if check.fixed else check.reason


def marked_place(check: CheckResult) -> SourceLine | None:
    """The line that an error came from, or the one behind the finding that decided; None if none is known."""
    if check.place is not None or check.finding is None:
        return check.place
    line = _own_line(check.finding)
    return None if line is None else SourceLine(line.file, line.line, line.code)


def _own_line(finding: Finding) -> CodeSite | None:
    return next((one.place for one in finding.evidence if one.place is not None), None)


def _parts(check: CheckResult, file: Path, exercise: Exercise | None, keys: str) -> Iterator[RenderableType]:
    yield Text.assemble((head(check), HEADS[check.state][1]), f"  {file}\n", (conditions(check), "dim"))
    if check.fixed:
        yield Padding.indent(Text.assemble((PRAISE, "bold"), f" {reason(check)}"), 2)
    elif why := reason(check):
        first = f"with {check.choice}: " if check.choice else ""
        if check.finding is not None and check.state is CheckState.LEAKS:
            first += f"{_explained(check.finding)}: "
        yield Padding.indent(Text.assemble((first, "bold"), why), 2)
    if check.why:
        yield Text("")
        yield Padding.indent(Text(check.why), 2)
    if check.place is not None:
        yield Text("")
        yield from _excerpt(check.file, check.place)
    if check.finding is not None:
        yield from _evidence(check, check.finding)
    elif check.state is CheckState.UNDECIDED and check.yours is not None and check.yours.suspected:
        yield from _evidence(check, check.yours.suspected[0])
    if check.result is not None and check.state in (CheckState.FIXED, CheckState.LEAKS, CheckState.UNDECIDED):
        yield Text("")
        yield _figures(check, check.result)
        # Where a line is marked, that it leaks from the start says no more.
        says_more = check.showed is not None and (
            check.showed.last > 2 or not (check.finding and check.finding.evidence)
        )
        if check.showed is not None and check.finding is not None and says_more:
            yield Text("")
            yield Padding.indent(Text(_first_seen(check.showed, check.finding)), 2)
    if check.yours is not None and (left := rows.left_behind(check.yours)):
        yield Text("")
        yield Padding.indent(Text(f"{left[0].upper()}{left[1:]}."), 2)
    # Of a file that is fixed, it matters least; a screen has 24 lines.
    if check.yours is not None and (
        output := list(output_lines(check.yours, rows.LAST_LINES if check.fixed else None))
    ):
        yield from [Text(""), *output]
    yield Text("")
    if steps := next_steps(check, file, exercise, keys):
        yield Text.assemble(*(part for words, command in steps for part in (words, (command, "bold"))))


def hints_report(
    hints: Sequence[str], shown: int, how_to_go_on: str = "Run it again", seen: str = ""
) -> RenderableType:
    """The newest of the hints that were `shown`, and how to see the next; all of them, where each was shown before.

    `seen` is what the last check found in the file: it comes before the newest hint, or after all of them.
    """
    is_known = shown > len(hints)
    in_file = [("In your file", seen)] if seen else []
    told = [(f"Hint {number} of {len(hints)}", hint) for number, hint in enumerate(hints, start=1)]
    told = [*told, *in_file] if is_known else [*in_file, told[shown - 1]]
    parts = [(Text(head, style="bold"), Padding(Text(words), (0, 0, 1, 2), expand=False)) for head, words in told]
    left = f"{how_to_go_on} for {'the next hint' if shown < len(hints) else 'all hints'}."
    return Group(*(part for both in parts for part in both), *([] if is_known else [Text(left)]))


def solution_report(learners: str, name: str, fixed: str, release: str, console: Console) -> RenderableType:
    """Why the fixed half works; below, it and the learner's file, differences marked: side by side if there is room."""
    skipped, lines = below_the_task(learners)
    if lines == lines_of(fixed):
        shown: RenderableType = Text(f"{name} matches our solution line for line.")
    else:
        ours, theirs, language = "\n".join(lines), fixed, language_of(Path(name))
        if language is not PYTHON:  # it indents with tabs
            ours, theirs = ours.expandtabs(4), theirs.expandtabs(4)
        shown = compared(SOLUTION_HEADS, SOLUTION_HEAD, ours, theirs, console.width, language, CONTEXT, skipped)
    why = [Text.assemble(("Why it works: ", "bold"), release), Text("")] if release else []
    return Group(*why, shown)


def _first_seen(showed: FirstSeen, finding: Finding) -> str:
    metric = METRICS[finding.metric]
    if showed.last == 0:
        return "It was already there before the first step finished."
    if showed.first == showed.last:
        more = f"has opened more {metric.plural}" if metric.judge is Judge.REUSE else "holds more"
        limit = "the fixed half ever does"
        if metric.unit == "bytes":
            limit = f"{format_size(finding.threshold)} above its start, which is the limit"
        return f"From step {showed.last:,} on, your file {more} than {limit}."
    return f"It first showed between step {showed.first:,} and step {showed.last:,}."


def _evidence(check: CheckResult, finding: Finding) -> Iterator[RenderableType]:
    """Where it comes from in the learner's own code, and what keeps it; and other findings that come from elsewhere."""
    lines = {one.opened for one in finding.evidence}
    others = [other for other in check.findings if any(one.opened not in lines | {None} for one in other.evidence)]
    first = _own_line(finding)
    shown = set[CodeSite]()
    if first is not None and check.place is None:
        shown.add(first)
        yield Text("")
        # A screen has 24 lines.
        yield from _excerpt(check.file, SourceLine(first.file, first.line, first.code), around=0 if others else 1)
    # The line that the excerpt marks needs no other mention.
    told = [line for line in rows.evidence_lines(finding, shown) if first is None or line.words != str(first)]
    yield Padding.indent(evidence(told), 2)
    for other in others[:OTHERS]:
        yield Padding.indent(Text(f"also {_explained(other)}: {METRICS[other.metric].label}"), 2)
        yield Padding.indent(evidence(list(rows.evidence_lines(other, shown))[:OTHERS]), 2)
    if len(others) > OTHERS:
        yield Padding.indent(Text(f"and {len(others) - OTHERS} more; `--json` has them all"), 2)


def _explained(finding: Finding) -> str:
    """The word for a finding, and what it means: `leaked (still there afterwards)`."""
    word = rows.kind_word(finding)
    return f"{word} ({rows.MEANS[word]})"


def _figures(check: CheckResult, result: Result) -> Table:
    """What tells of the three halves; the rows that are findings on the learner's file are marked."""
    findings = [*filter(None, [check.finding]), *(rows.found(check.yours) if check.yours else ())]
    marked = {(METRICS[one.metric], rows.telling_moment(one)) for one in findings}
    halves = (numbers(half, style="bold" if half == YOURS else "") for half in result.halves)
    table = ruled(Column("", no_wrap=True), "", *halves, gap=2)
    for row in rows.key_rows(result):
        table.add_row("▸" if (row.metric, row.moment) in marked else "", row.label, *row.cells)
    return table


def excerpt(checked: Path, place: SourceLine, around: int = AROUND) -> list[ExcerptLine]:
    """The line `place` of the file that was checked, with the lines around it; none if there is no such line."""
    path = checked.parent / place.file
    # The file that was named may be a link to elsewhere; what it names may not.
    lines = lines_in(path, Path(os.path.realpath(path)).parent if path == checked else checked.parent)
    if not 1 <= place.line <= len(lines):
        return []
    numbers = range(max(1, place.line - around), min(len(lines), place.line + around) + 1)
    indents = (lines[number - 1][: -len(lines[number - 1].lstrip()) or None] for number in numbers)
    mixed = {"\t", " "} <= set().union(*indents)
    # Where both indent, a tab is seen as one.
    codes = (
        lines[number - 1].replace("\t", "→   ") if mixed else lines[number - 1].expandtabs(4) for number in numbers
    )
    return [
        ExcerptLine(number, printable(code), number == place.line) for number, code in zip(numbers, codes, strict=True)
    ]


def _excerpt(checked: Path, place: SourceLine, around: int = AROUND) -> Iterator[Text]:
    """The line that an error came from, with the lines around it."""
    lines = excerpt(checked, place, around)
    yield Text(f"  {place.file}, line {place.line}:{'' if lines else f' {printable(place.text)}'}")
    for number, code, is_marked in lines:
        mark, style = ("▸", "bold") if is_marked else (" ", "dim")
        parts = (f"  {mark} ", "bold red"), (f"{number:>4}  ", "dim"), (code, style)
        yield Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def next_steps(check: CheckResult, file: Path, exercise: Exercise | None, keys: str = "") -> list[tuple[str, str]]:
    """What to do next: words, and the command after them, or nothing; no pair at all if there is nothing to do."""
    if check.state is CheckState.INTERRUPTED:
        return []
    attempts = "" if exercise is None else f"Attempt {exercise.attempts:,}. "
    if check.fixed:
        if exercise is None:
            return [("Compare it with our solution: ", f"leaklab show {check.scenario}{_lang(file)}")]
        if keys:
            return [(f"{attempts}{keys}", "")]
        solution, onward = _commands(file, exercise)
        return [(f"{attempts}Compare: ", solution), (". Go on: ", onward)]
    words = f"{attempts}{check.remedy}".strip()
    if check.state is CheckState.LEAKS and exercise is not None:
        stuck, hint = (keys, "") if keys else ("Stuck? ", f"leaklab hint {as_argument(file)}")
        return [(f"{words} {stuck}".lstrip(), hint)]
    return [(words, "")] if words else []


def _commands(file: Path, exercise: Exercise) -> tuple[str, str]:
    """What is typed once an exercise is fixed: to compare it with our solution, and to go on."""
    folder = "" if file.parent == Path() else f" {as_argument(file.parent)}"
    of = exercise.scenarios
    more = "" if of is None else f" --scenarios {as_argument(Path(os.path.normpath(file.parent / of)))}"
    return f"leaklab solution {as_argument(file)}{more}", f"leaklab next{folder}{_lang(file)}{more}"


def _lang(file: Path) -> str:
    """The option that says which language a file is in; empty for the one that needs none."""
    language = language_of(file)
    return "" if language is PYTHON else f" --lang {language.name}"


def below_the_task(learners: str) -> tuple[int, list[str]]:
    """The number of lines of the task at the top of a learner's file, and the lines below it."""
    lines = lines_of(learners)
    # In Go it is a comment.
    skipped = sum(1 for _ in takewhile(lambda line: line.startswith(GO.comment), lines))
    with contextlib.suppress(*UNPARSABLE):
        tree = ast.parse(learners)
        if ast.get_docstring(tree, clean=False) is not None:
            skipped = tree.body[0].end_lineno or 0
    skipped += sum(1 for _ in takewhile(lambda line: not line.strip(), lines[skipped:]))
    return skipped, lines[skipped:]
