"""What `run` and `compare` share: halves are measured under a progress bar, and results have an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from leaklab.commands import output
from leaklab.errors import ExitCode

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.pair import RunOptions
    from leaklab.lab.result import Result
    from leaklab.lab.until_failure import Failure


def halves_of(entry: Entry, *, almost: bool) -> Sequence[str]:
    """The halves that are run."""
    from leaklab.content.declaration import HALVES

    return entry.halves if almost else HALVES


def measure(entry: Entry, settings: Settings, how: RunOptions, halves: Sequence[str]) -> Result:
    """Run these halves of a scenario. Raises as `lab.pair.run_scenario` does."""
    from leaklab.lab.pair import run_scenario

    with output.progress_bar(entry.id, settings.steps, how.repeat) as progress:
        return run_scenario(entry, settings, replace(how, progress=progress), halves)


def measure_failure(entry: Entry, settings: Settings, how: RunOptions) -> Failure:
    """Run both halves until the leaky one dies. Raises as `lab.until_failure.run_until_failure` does."""
    from leaklab.lab.until_failure import run_until_failure

    with output.progress_bar(entry.id, None, 1) as progress:
        return run_until_failure(entry, settings, replace(how, progress=progress))


def exit_for(results: Sequence[Result], *, as_expected: bool | None = None) -> None:
    """Leave with the exit code of these results, unless all halves completed and were as expected."""
    from leaklab.measure.trace import Outcome

    outcomes = [half.outcome for result in results for half in result.halves.values()]
    if any(result.interrupted for result in results):
        raise typer.Exit(ExitCode.INTERRUPTED)
    if Outcome.TIMED_OUT in outcomes:
        raise typer.Exit(ExitCode.TIME_LIMIT)
    if not (all(result.as_expected for result in results) if as_expected is None else as_expected):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)
