"""`list` and `show`: what scenarios there are, and one of them to read."""

from __future__ import annotations

from typing import Annotated

import typer

from leaklab.commands import output
from leaklab.commands.options import Name, Scenarios
from leaklab.errors import ExitCode

ShowAlmost = Annotated[bool, typer.Option("--almost", help="Show the tempting half-fix too, where there is one.")]
OnlyCode = Annotated[bool, typer.Option("--code", help="Show the halves only, without the lesson.")]


def list_(scenarios: Scenarios = None) -> None:
    """Show what scenarios there are."""
    from leaklab.content.catalog import Catalog
    from leaklab.reports.table import scenario_list

    catalog = Catalog(scenarios)
    listed = [(entry, entry.error) for entry in catalog.select([])]
    output.show(scenario_list(listed))
    for problem in catalog.problems:
        output.complain(problem)
    if catalog.problems or any(error for _, error in listed):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def show(name: Name, almost: ShowAlmost = False, only_code: OnlyCode = False, scenarios: Scenarios = None) -> None:
    """Show a scenario's lesson, and its halves with the lines that differ marked."""
    from leaklab.content.catalog import Catalog
    from leaklab.content.declaration import HALVES
    from leaklab.reports.lesson import code, lesson

    entry = Catalog(scenarios).get(name)
    entry.check()
    console = output.console()
    halves = {half: entry.source(half) for half in (entry.halves if almost else HALVES)}
    output.show(code(halves, console) if only_code else lesson(entry.lesson, halves, console), console)
