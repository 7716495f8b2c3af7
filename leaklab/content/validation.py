"""Proves that a scenario keeps its word: its files are in place, and every half is what it is said to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.errors import LeaklabError
from leaklab.lab.pair import RunOptions, run_scenario

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.lab.result import Result

FILES = ("scenario.py", "leaky.py", "fixed.py", "lesson.md")
"""What every scenario folder holds."""

OPTIONAL_FILES = ("almost.py",)
"""What it may hold besides."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found of one scenario.

    Attributes:
        scenario: its id.
        problems: what is not so, in words; empty if all is well.
        result: what its halves were measured to be; None if they could not be run.
    """

    scenario: str
    problems: tuple[str, ...]
    result: Result | None = None


def validate(entry: Entry, options: RunOptions) -> Validation:
    """Check the folder, then run every half that it holds, with the scenario's own settings."""
    problems: list[str] = []
    try:
        problems += folder_problems(entry)
        scenario = entry.scenario
        result = run_scenario(entry, scenario.settings, options, entry.halves)
    except LeaklabError as error:
        # A missing file is among the problems already.
        missing = any("is missing" in problem for problem in problems)
        return Validation(entry.id, tuple(problems if missing else [*problems, str(error)]))
    if "almost" in entry.halves and "almost" not in scenario.expected:
        problems.append(f"expected in {entry.folder / 'scenario.py'} says nothing of the almost half")
    return Validation(entry.id, (*problems, *result.surprises), result)


def folder_problems(entry: Entry) -> list[str]:
    """What is missing from the folder, or lies in it and does not belong there; what the halves and lesson lack."""
    problems = [f"{entry.folder / name} is missing" for name in FILES if not (entry.folder / name).is_file()]
    # pip compiles what it installs: that is no file of the author's.
    known = {*FILES, *OPTIONAL_FILES, "__pycache__"}
    problems += [
        f"{child} does not belong in a scenario folder: move or delete it"
        for child in sorted(entry.folder.iterdir())
        if child.name not in known
    ]
    if entry.lesson_path.is_file():
        problems += _lesson_problems(entry)
    for name in (*FILES, *OPTIONAL_FILES):
        path = entry.folder / name
        blanks = entry.text(name).count(BLANK) if path.is_file() else 0
        if blanks:
            problems.append(f"{path} still has {blanks} blank{'s' if blanks != 1 else ''} to fill in ({BLANK})")
    for half in entry.halves:
        if "leaklab" in entry.source(half):
            problems.append(f"{entry.half_path(half)} mentions leaklab: a half is plain code, as written at work")
    return problems


def _lesson_problems(entry: Entry) -> list[str]:
    problems: list[str] = []
    if not entry.lesson.lstrip().startswith("# "):
        problems.append(f"{entry.lesson_path} does not start with a title (`# …`)")
    if not entry.why:
        problems.append(f"{entry.lesson_path} has no block quote (`> …`): it is the one line of why under a result")
    return problems


BLANK = "FILL IN"
"""What marks a blank in a scenario that `leaklab new` wrote."""
