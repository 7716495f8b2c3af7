"""`list` and `show`: what scenarios there are, and one of them to read."""

from __future__ import annotations

import typer

from leaklab.commands import output
from leaklab.commands.options import Name, Scenarios
from leaklab.errors import ExitCode


def list_(scenarios: Scenarios = None) -> None:
    """Show what scenarios there are."""
    from leaklab.catalog import Catalog
    from leaklab.reports.table import scenario_list

    catalog = Catalog(scenarios)
    listed = [(entry, entry.error) for entry in catalog.select([])]
    output.show(scenario_list(listed))
    for problem in catalog.problems:
        output.complain(problem)
    if catalog.problems or any(error for _, error in listed):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def show(name: Name, scenarios: Scenarios = None) -> None:
    """Show a scenario's lesson, and its halves with the lines that differ marked."""
    from leaklab.catalog import Catalog
    from leaklab.reports.lesson import lesson

    entry = Catalog(scenarios).get(name)
    entry.check()
    console = output.console()
    output.show(lesson(entry.lesson, {half: entry.source(half) for half in entry.halves}, console), console)
