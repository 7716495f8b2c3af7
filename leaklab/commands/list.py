"""`list`: the scenarios there are."""

from __future__ import annotations

from typing import Annotated

import typer

from leaklab.commands import options, output
from leaklab.errors import ExitCode
from leaklab.reports.formats import LIST

Format = Annotated[str | None, options.format_of(LIST)]


def command(scenarios: options.Scenarios = None, form: Format = None, file: options.Output = None) -> None:
    """List the scenarios."""
    from leaklab.content.catalog import Catalog

    target = output.destination(LIST, form, file)
    catalog = Catalog(scenarios)
    listed = [(entry, entry.error) for entry in catalog.select([])]
    target.show(entries=listed)
    for problem in catalog.problems:
        output.complain(problem)
    if catalog.problems or any(error for _, error in listed):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)
