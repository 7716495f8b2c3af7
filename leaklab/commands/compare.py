"""`compare`: several scenarios are run one after the other and shown in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import options, output, parsing
from leaklab.commands.measuring import exit_for, halves_of, measure
from leaklab.errors import ExitCode, LeaklabError, UsageError
from leaklab.reports.formats import COMPARISON

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.pair import RunOptions
    from leaklab.lab.result import Result

    Plan = list[tuple[Entry, Settings, RunOptions]]

Format = Annotated[str | None, options.format_of(COMPARISON)]


def command(
    names: options.Names = None,
    steps: options.Steps = None,
    set_: options.Set = None,
    repeat: options.Repeat = 1,
    almost: options.Almost = False,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Format = None,
    as_json: options.Json = False,
    file: options.Output = None,
    samples: options.Samples = False,
) -> None:
    """Run several scenarios and show their halves in one table."""
    from leaklab.content.catalog import Catalog

    target = output.destination(COMPARISON, form, file, as_json=as_json, samples=samples)
    how = parsing.run_options(limit, repeat, mongo)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [])
    # A scenario that was asked for by name must be there; among all, a broken one is named and the others are run.
    usable = entries if names else [entry for entry in entries if entry.error is None]
    results, ended = _measure_all(_plan(usable, parsing.given_settings(steps, set_), how), almost=almost)
    if ended is not None and not results:
        raise ended
    target.show(results=results, samples=samples)
    if target.format != "json":
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


def _plan(entries: Sequence[Entry], given: Mapping[str, str], how: RunOptions) -> Plan:
    """What each scenario is run with: each takes the settings that it has, and the MongoDB server if it uses one.

    Raises:
        UsageError: a setting that none has, or one that a scenario cannot be run with; before any is run.
    """
    from leaklab.lab.pair import check_settings

    named = ", ".join(entry.id for entry in entries)
    having = {name: [entry for entry in entries if name in entry.scenario.settings.given()] for name in given}
    for name, its in having.items():
        if not its:
            raise UsageError(f"none of {named} has a setting {name!r}: `leaklab show NAME` lists those of a scenario")
    if how.mongo_uri is not None and all("mongo" not in entry.scenario.services for entry in entries):
        raise UsageError(f"none of {named} uses MongoDB: leave --mongo out")
    planned: Plan = []
    for entry in entries:
        its_own = {name: text for name, text in given.items() if entry in having[name]}
        settings = parsing.settings_from_options(entry.id, entry.scenario.settings, its_own)
        here = how if "mongo" in entry.scenario.services else replace(how, mongo_uri=None)
        check_settings(entry.id, entry.scenario, settings, here)
        planned.append((entry, settings, here))
    return planned


def _measure_all(plan: Plan, *, almost: bool) -> tuple[list[Result], LeaklabError | KeyboardInterrupt | None]:
    """What was measured, and what ended it early, if anything did: what there is is shown all the same."""
    results: list[Result] = []
    for entry, settings, how in plan:
        try:
            results.append(measure(entry, settings, how, halves_of(entry, almost=almost)))
        except (LeaklabError, KeyboardInterrupt) as error:
            return results, error
        if results[-1].interrupted:
            break
    return results, None
