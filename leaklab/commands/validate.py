"""`validate`: scenarios are held to what they declare."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from leaklab.commands import options, output, parsing
from leaklab.errors import ExitCode, UsageError
from leaklab.reports.formats import VALIDATION

Format = Annotated[str | None, options.format_of(VALIDATION)]


def command(
    names: options.Names = None,
    repeat: options.Repeat = 1,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Format = None,
) -> None:
    """Prove that halves leak, or do not, as their scenarios declare."""
    from leaklab.content.catalog import Catalog
    from leaklab.lab.validation import validate

    target = output.destination(VALIDATION, form, None)
    how = parsing.run_options(limit, repeat, mongo)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [])
    with_mongo = [entry for entry in entries if entry.error is None and "mongo" in entry.scenario.services]
    if how.mongo_uri is not None and not with_mongo:
        raise UsageError("none of these scenarios uses MongoDB: leave --mongo out")
    problems = [] if names else list(catalog.problems)
    found = list(problems)
    for entry in entries:
        steps = entry.scenario.settings.steps if entry.error is None else None
        with output.progress_bar(entry.id, steps, repeat) as progress:
            uri = how.mongo_uri if entry in with_mongo else None
            validation = validate(entry, replace(how, mongo_uri=uri, progress=progress))
        target.show(validation=validation)
        found += validation.problems
        if validation.result is not None and validation.result.interrupted:
            raise typer.Exit(ExitCode.INTERRUPTED)
    for problem in problems:
        output.complain(problem)
    if found:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)
