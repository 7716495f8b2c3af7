"""`show`: a scenario to read."""

from __future__ import annotations

from typing import Annotated

import typer

from leaklab.commands import options, output

ShowAlmost = Annotated[bool, typer.Option("--almost", help="Also show the tempting half-fix, if there is one.")]
OnlyCode = Annotated[bool, typer.Option("--code", help="Show only the halves, without lesson and settings.")]


def command(
    name: options.Name, almost: ShowAlmost = False, only_code: OnlyCode = False, scenarios: options.Scenarios = None
) -> None:
    """Show a scenario's lesson, its halves side by side, its settings."""
    from leaklab.content.catalog import Catalog
    from leaklab.content.declaration import HALVES
    from leaklab.reports.lesson import code, lesson, settings_table

    entry = Catalog(scenarios).get(name)
    settings = entry.scenario.settings
    console = output.console()
    halves = {half: entry.source(half) for half in (entry.halves if almost else HALVES)}
    if only_code:
        output.show(code(halves, console), console)
        return
    output.show(lesson(entry.lesson, halves, console), console)
    if settings.declared:
        output.show(settings_table(entry.scenario), console)
