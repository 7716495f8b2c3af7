"""Results as pages: one HTML file each, which needs no script and asks for nothing."""

import os
import platform
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import leaklab
from leaklab.content.languages import LANGUAGES
from leaklab.lab.result import Result, half_label
from leaklab.measure.source_line import lines_in
from leaklab.reports import check_report
from leaklab.reports.lesson import CodeLine, merged
from leaklab.reports.templating import MOST_CHARACTERS, filled, in_ascii
from leaklab.workshop.check_result import CheckResult
from leaklab.workshop.progress_file import Exercise

CONTEXT = 2
"""Lines shown around those that differ."""

MOST_LINES = 150
"""Lines of a difference that are shown."""

MOST_BYTES = 30_000
"""Bytes of a difference that are shown, as they are in a page."""


def scenario_page(result: Result, why: str, sources: Mapping[str, str]) -> str:
    """One scenario: verdicts, charts, findings, the halves' differences from the first, `why`, and all figures.

    `sources` has the halves' source text by name; `why` may hold code in backticks.
    """
    first, *between = [half for half in result.halves if sources.get(half)] or [""]
    # What the fix changes comes first, as `show` has it.
    others, suffix = [*between[-1:], *between[:-1]], LANGUAGES[result.language].suffix
    differences = [
        (f"{first}{suffix} → {other}{suffix} ({half_label(other)}): + lines are only in {other}{suffix}", lines)
        for other in others
        if (lines := _difference(sources[first], sources[other]))
    ]
    return filled("run.html.j2", one=result, why=why, differences=differences, small_print=_small_print(result))


def comparison_page(results: Sequence[Result]) -> str:
    """Several scenarios: a table of all, then a section of each."""
    return filled("comparison.html.j2", results=results, small_print=_small_print(*results[:1]))


def check_page(check: CheckResult, file: Path, exercise: Exercise | None, fixed: str, release: str) -> str:
    """A learner's file beside both halves; `fixed` and `release`, the solution, are shown only if theirs is right."""
    place = check_report.marked_place(check)
    return filled(
        "check.html.j2",
        check=check,
        one=check.result,
        file=file,
        head=check_report.head(check),
        conditions=check_report.conditions(check),
        reason=check_report.reason(check),
        place=place,
        excerpt=place and check_report.excerpt(check.file, place),
        next_steps=check_report.next_steps(check, file, exercise),
        difference=_to_solution(check.file, fixed) if check.fixed else [],
        release=release,
        small_print=_small_print(*filter(None, [check.result])),
    )


def _to_solution(file: Path, fixed: str) -> list[CodeLine]:
    """The learner's code below the task, and what our solution has in its place."""
    skipped, lines = check_report.below_the_task("\n".join(lines_in(file, Path(os.path.realpath(file)).parent)))
    return _difference("\n".join(lines), fixed, skipped)


def _difference(left: str, right: str, skipped: int = 0) -> list[CodeLine]:
    """Lines of `left` and of `right` in turn where they differ, with some around them; a gap has no number."""
    lines = merged(left.expandtabs(4), right.expandtabs(4), CONTEXT, skipped)
    sizes = accumulate(len(in_ascii(line.text[:MOST_CHARACTERS])) for line in lines)
    shown = min(sum(size <= MOST_BYTES for size in sizes), MOST_LINES)
    more = len(lines) - shown
    return [*lines[:shown], CodeLine(None, f"and {more:,} more lines")] if more else lines


def _small_print(*results: Result) -> str:
    """When, where and with what it was measured."""
    words = [f"Measured by leaklab {leaklab.__version__}"]
    for result in results:
        when = f" on {result.measured_at:%Y-%m-%d at %H:%M} UTC" if result.measured_at else ""
        mongo = f", MongoDB: {result.mongo}" if result.mongo else ""
        ran_by = f"Python {result.python}" if result.go is None else f"Go {result.go}"
        words = [f"{words[0]}{when}, {ran_by}, {platform.system()} {platform.release()}{mongo}"]
    return f"{'. '.join(words)}."
