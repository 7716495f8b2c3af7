"""Proves that a scenario keeps its word: its folder is complete, and every half is what the scenario says it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.content.folder import folder_problems
from leaklab.errors import LeaklabError
from leaklab.lab.pair import run_scenario
from leaklab.lab.run_options import RunOptions

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.lab.result import Result


@dataclass(frozen=True, slots=True)
class Validation:
    """What is wrong with one scenario, in words, and the measurement of its halves; None if they could not be run."""

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
    unexpected = [half for half in entry.halves if half not in scenario.expected]
    problems += [f"expected in {entry.folder / 'scenario.py'} has no {half} half" for half in unexpected]
    return Validation(entry.id, (*problems, *result.surprises), result)
