"""`compare`: several scenarios are run one after the other and shown in one table, which grows meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from leaklab.commands import options, output
from leaklab.errors import ExitCode, UsageError
from leaklab.reports.formats import COMPARISON
from leaklab.system.interrupts import Owner

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.lab.result import Result
    from leaklab.lab.run_options import RunOptions
    from leaklab.lab.several import PlannedRun


def command(
    names: options.Names = None,
    lang: options.Langs = None,
    steps: options.Steps = None,
    set_: options.Set = None,
    repeat: options.Repeat = "1",
    almost: options.Almost = False,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Annotated[options.Text, options.format_of(COMPARISON)] = None,
    as_json: options.Json = False,
    file: options.Output = None,
    samples: options.Samples = False,
) -> ExitCode:
    """Run several scenarios and show their halves in one table."""
    from leaklab.content.catalog import Catalog
    from leaklab.lab.several import ScenarioSeries

    target = output.destination(COMPARISON, form, file, as_json=as_json, samples=samples)
    how = options.run_options(limit, repeat, mongo)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [], *options.languages_of(lang))
    # What was asked for by name must be usable; among all, a scenario that is not is named and the others are run.
    if names:
        options.built(entries)
    unusable = {} if names else {entry: why for entry in entries if (why := _why_unusable(entry))}
    usable = [entry for entry in entries if entry not in unusable]
    # What keeps several from being run is said once.
    broken = [*dict.fromkeys(unusable.values()), *([] if names else catalog.problems)]
    results: list[Result] = []
    try:
        plan = _plan(usable, options.given_settings(steps, set_), how, almost=almost)
        with Owner() as owner, output.live_series() as follow:
            series = owner.enter_context(ScenarioSeries(plan))
            for number, one in enumerate(plan):
                label, telling = f"{one.entry.id} ({number + 1} of {len(plan)})", one.entry.scenario.telling
                results.append(series.run(number, follow(label, telling, one.settings.steps, results)))
                if results[-1].interrupted:
                    break
    finally:
        # Whatever ended it early, what was measured until then is shown.
        if results:
            target.show(results=results, samples=samples)
            surprises = [f"{result.title}, {surprise}" for result in results for surprise in result.surprises]
            output.complain(*(surprises if target.format != "json" else ()), *broken)
    return output.exit_code(results, as_expected=not broken and all(result.as_expected for result in results))


def _why_unusable(entry: Entry) -> str | None:
    """Why a scenario cannot be run here: it is broken, or something that it needs is missing; None if it can.

    Raises NoGoError if it needs Go and none is installed.
    """
    from leaklab.content.requirements import missing_packages

    return entry.error or missing_packages(entry.id, entry.scenario) or options.why_not_built(entry)


def _plan(entries: Sequence[Entry], given: Mapping[str, str], how: RunOptions, *, almost: bool) -> list[PlannedRun]:
    """What each is run with, of the settings that it has. Raises UsageError for one that none has or that cannot be."""
    from leaklab.lab.several import PlannedRun

    for name in given:
        if not any(name in entry.scenario.settings.given() for entry in entries):
            named = ", ".join(entry.id for entry in entries)
            raise UsageError(f"none of {named} has a setting {name!r}: `leaklab show NAME` lists those of a scenario")
    planned = []
    for entry, its_how in options.options_of_each(entries, how):
        its_own = {name: text for name, text in given.items() if name in entry.scenario.settings.given()}
        settings = options.settings_from_options(entry.id, entry.scenario.settings, its_own)
        planned.append(PlannedRun(entry, settings, its_how, options.halves_of(entry, almost=almost)))
    return planned
