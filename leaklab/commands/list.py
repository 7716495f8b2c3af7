"""`list`: the scenarios there are."""

from __future__ import annotations

from typing import Annotated

import typer

from leaklab.commands import output
from leaklab.commands.options import Output, Scenarios, format_of
from leaklab.errors import ExitCode
from leaklab.reports.formats import ListReport

Format = Annotated[str | None, format_of(ListReport)]


def command(scenarios: Scenarios = None, form: Format = None, file: Output = None) -> None:
    """List the scenarios."""
    from leaklab.content.catalog import Catalog

    target = output.destination(ListReport, form, file)
    catalog = Catalog(scenarios)
    listed = [(entry, entry.error) for entry in catalog.select([])]
    target.show(ListReport(listed))
    for problem in catalog.problems:
        output.complain(problem)
    if catalog.problems or any(error for _, error in listed):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)
