"""`compare`: several scenarios are run one after the other and shown in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import output, parsing
from leaklab.commands.measuring import exit_for, measure
from leaklab.commands.options import (
    Almost,
    Json,
    Limit,
    Mongo,
    Names,
    Output,
    Repeat,
    Samples,
    Scenarios,
    Set,
    Steps,
    format_of,
)
from leaklab.errors import ExitCode, LeaklabError, UsageError
from leaklab.reports.formats import ComparisonReport

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.pair import RunOptions
    from leaklab.lab.result import Result
    from leaklab.system.limits import Limits

    Plan = list[tuple[Entry, Settings, RunOptions]]

Format = Annotated[str | None, format_of(ComparisonReport)]


def command(
    names: Names = None,
    steps: Steps = None,
    set_: Set = None,
    repeat: Repeat = 1,
    almost: Almost = False,
    limit: Limit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    form: Format = None,
    as_json: Json = False,
    file: Output = None,
    samples: Samples = False,
) -> None:
    """Run several scenarios and show their halves in one table."""
    from leaklab.content.catalog import Catalog

    target = output.destination(ComparisonReport, form, file, as_json=as_json, samples=samples)
    limits = parsing.limits_from_options(limit)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [])
    # A scenario that was asked for by name must be there; among all, a broken one is named and the others are run.
    usable = entries if names else [entry for entry in entries if entry.error is None]
    plan = _plan(usable, parsing.given_settings(steps, set_), limits, repeat, mongo)
    results, ended = _measure_all(plan, almost=almost)
    if ended is not None and not results:
        raise ended
    target.show(ComparisonReport(results, samples))
    if target.format == "table":
        for result in results:
            for surprise in result.surprises:
                output.complain(f"{result.scenario}, {surprise}")
    broken = [*(str(entry.error) for entry in entries if entry not in usable), *([] if names else catalog.problems)]
    for problem in broken:
        output.complain(problem)
    if ended is not None:
        raise ended
    exit_for(results)
    if broken:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def _plan(entries: Sequence[Entry], given: Mapping[str, str], limits: Limits, repeat: int, mongo: str | None) -> Plan:
    """What each scenario is run with: each takes the settings that it has.

    Raises:
        UsageError: a setting that none has, or one that a scenario cannot be run with; before any is run.
    """
    from leaklab.lab.pair import check_settings

    named = ", ".join(entry.id for entry in entries)
    having = {name: [entry for entry in entries if name in entry.scenario.settings.given()] for name in given}
    for name, its in having.items():
        if not its:
            raise UsageError(f"none of {named} has a setting {name!r}: `leaklab show NAME` lists those of a scenario")
    if mongo is not None and all("mongo" not in entry.scenario.services for entry in entries):
        raise UsageError(f"none of {named} uses MongoDB: leave --mongo out")
    planned: Plan = []
    for entry in entries:
        its_own = {name: text for name, text in given.items() if entry in having[name]}
        settings = parsing.settings_from_options(entry.id, entry.scenario.settings, its_own)
        options = parsing.run_options(limits, repeat, mongo if "mongo" in entry.scenario.services else None)
        check_settings(entry.id, entry.scenario, settings, options)
        planned.append((entry, settings, options))
    return planned


def _measure_all(plan: Plan, *, almost: bool) -> tuple[list[Result], LeaklabError | KeyboardInterrupt | None]:
    """What was measured, and what ended it early, if anything did: what there is is shown all the same."""
    results: list[Result] = []
    for entry, settings, options in plan:
        try:
            results.append(measure(entry, settings, options, almost=almost))
        except (LeaklabError, KeyboardInterrupt) as error:
            return results, error
        if results[-1].interrupted:
            break
    return results, None
