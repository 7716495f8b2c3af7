"""Results as pages: one HTML file each, which needs no script and asks for nothing."""

import difflib
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple, Self

import leaklab
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.measure.source_line import lines_in
from leaklab.reports import check_report, rows
from leaklab.reports.chart import Drawing, drawn, styles
from leaklab.reports.figures import TellingRow, charts, forecast_charts, telling_rows
from leaklab.reports.lesson import CodeLine
from leaklab.reports.templating import filled
from leaklab.units import lines_of
from leaklab.workshop.check_result import CheckResult
from leaklab.workshop.progress_file import Exercise

CONTEXT = 2
"""Lines shown around those that differ."""

MOST_LINES = 150
"""Lines of a difference that are shown."""


class ResultView(NamedTuple):
    """A result as the templates read it.

    Attributes:
        anchor: its name as the target of a link.
        conditions: its settings, and how often each half was run.
        styles: how each half is drawn, by name.
        telling: the rows that tell the story; `every` has all rows.
        compared: its cells in a comparison.
        drawings: its charts.
    """

    scenario: str
    anchor: str
    conditions: str
    halves: tuple[HalfResult, ...]
    styles: Mapping[str, str]
    telling: Sequence[TellingRow]
    every: Sequence[rows.MetricRow]
    compared: Sequence[rows.ComparedCell]
    drawings: Sequence[Drawing]

    @classmethod
    def of(cls, result: Result) -> Self:
        """What the templates need to know of `result`."""
        return cls(
            scenario=result.scenario,
            anchor=f"of-{result.scenario}",
            conditions=rows.conditions(result),
            halves=tuple(result.halves.values()),
            styles=styles([*result.halves]),
            telling=telling_rows(result),
            every=tuple(rows.metric_rows(result)),
            compared=rows.compared_cells(result, rows.WITH_END),
            drawings=[drawn(chart) for chart in charts(result)],
        )


def scenario_page(result: Result, why: str, sources: Mapping[str, str]) -> str:
    """One scenario: verdicts, charts, findings, the halves' differences from the first, `why`, and all figures.

    `sources` has the halves' source text by name; `why` may hold code in backticks.
    """
    one = ResultView.of(result)
    first, *others = [half for half in result.halves if sources.get(half)] or [""]
    differences = [
        (f"{first}.py → {other}.py ({half_label(other)}): + lines are only in {other}.py", lines)
        for other in others
        if (lines := _difference(lines_of(sources[first]), lines_of(sources[other])))
    ]
    drawings = [*one.drawings, *map(drawn, forecast_charts(result))]
    return filled(
        "run.html.j2", one=one, why=why, drawings=drawings, differences=differences, small_print=_small_print(result)
    )


def comparison_page(results: Sequence[Result]) -> str:
    """Several scenarios: a table of all, then a section of each."""
    heads = [" ".join(f"{column.head} {column.unit and f'({column.unit})'}".split()) for column in rows.WITH_END]
    halves = rows.halves_compared(results)
    each = [ResultView.of(result) for result in results]
    return filled("comparison.html.j2", each=each, heads=heads, halves=halves, small_print=_small_print(*results[:1]))


def check_page(check: CheckResult, file: Path, exercise: Exercise | None, fixed: str, release: str) -> str:
    """A learner's file beside both halves; `fixed` and `release`, the solution, are shown only if theirs is right."""
    place = check_report.marked_place(check)
    one = check.result and ResultView.of(check.result)
    words, command = check_report.next_step(check, file, exercise)
    return filled(
        "check.html.j2",
        check=check,
        file=file,
        head=check_report.HEADS[check.state][0],
        beside=": ".join(filter(None, [check.scenario, rows.conditions(check.result) if check.result else ""])),
        reason=check_report.reason(check),
        place=place and f"{place.file}, line {place.line}",
        excerpt=place and check_report.excerpt(check.file, place),
        next_words=words,
        next_command=command,
        one=one,
        drawings=one.drawings if one else [],
        difference=_to_solution(check.file, fixed) if check.fixed else [],
        release=release,
        small_print=_small_print(*filter(None, [check.result])),
    )


def _to_solution(file: Path, fixed: str) -> list[CodeLine]:
    """The learner's code below the task, and what our solution has in its place."""
    learners = lines_in(file, Path(os.path.realpath(file)).parent)
    skipped = check_report.task_lines("\n".join(learners))
    skipped += sum(1 for _ in takewhile(lambda line: not line.strip(), learners[skipped:]))
    return _difference(learners[skipped:], lines_of(fixed), skipped)


def _difference(left: Sequence[str], right: Sequence[str], skipped: int = 0) -> list[CodeLine]:
    """Lines of `left` and of `right` in turn where they differ, with some around them; a gap has no number."""
    return [*_changes(left, right, skipped)][:MOST_LINES]


def _changes(left: Sequence[str], right: Sequence[str], skipped: int) -> Iterator[CodeLine]:
    groups = difflib.SequenceMatcher(None, left, right, autojunk=False).get_grouped_opcodes(CONTEXT)
    for number, group in enumerate(groups):
        if number:
            yield CodeLine(None, "")
        for tag, a, b, c, d in group:
            change = "same" if tag == "equal" else "removed"
            yield from (CodeLine(at + 1 + skipped, left[at].expandtabs(4), change) for at in range(a, b))
            if tag != "equal":
                yield from (CodeLine(at + 1, right[at].expandtabs(4), "added") for at in range(c, d))


def _small_print(*results: Result) -> str:
    """When, where and with what it was measured, and what the words of the tables mean."""
    words = [f"Measured by leaklab {leaklab.__version__}"]
    for result in results:
        when = f" on {result.measured_at:%Y-%m-%d at %H:%M} UTC" if result.measured_at else ""
        mongo = f", MongoDB: {result.mongo}" if result.mongo else ""
        words = [f"{words[0]}{when}, Python {result.python}, {platform.system()} {platform.release()}{mongo}"]
        words.append(rows.MOMENTS_EXPLAINED.rstrip("."))
    return f"{'. '.join(words)}."
