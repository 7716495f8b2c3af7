"""`validate`: scenarios are held to what they declare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import output, parsing
from leaklab.commands.options import Limit, Mongo, Names, Output, Repeat, Scenarios, format_of
from leaklab.errors import ExitCode, UsageError
from leaklab.reports.formats import ValidationReport

if TYPE_CHECKING:
    from leaklab.content.validation import Validation

Format = Annotated[str | None, format_of(ValidationReport)]


def command(
    names: Names = None,
    repeat: Repeat = 1,
    limit: Limit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    form: Format = None,
    file: Output = None,
) -> None:
    """Prove that halves leak, or do not, as their scenarios declare."""
    from leaklab.content.catalog import Catalog
    from leaklab.content.validation import validate

    target = output.destination(ValidationReport, form, file)
    limits = parsing.limits_from_options(limit)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [])
    with_mongo = [entry for entry in entries if entry.error is None and "mongo" in entry.scenario.services]
    if parsing.mongo_uri(mongo) is not None and not with_mongo:
        raise UsageError("none of these scenarios uses MongoDB: leave --mongo out")
    console = output.console()
    done: list[Validation] = []
    for entry in entries:
        options = parsing.run_options(limits, repeat, mongo if entry in with_mongo else None)
        steps = entry.scenario.settings.steps if entry.error is None else None
        with output.progress_bar(entry.id, steps, repeat) as progress:
            done.append(validate(entry, replace(options, progress=progress)))
        if file is None:
            # Each is shown when it is known, not all at the end.
            target.show(ValidationReport(done[-1:]), console)
        if done[-1].result is not None and done[-1].result.interrupted:
            raise typer.Exit(ExitCode.INTERRUPTED)
    if file is not None:
        target.show(ValidationReport(done))
    problems = () if names else catalog.problems
    for problem in problems:
        output.complain(problem)
    if problems or any(validation.problems for validation in done):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)
