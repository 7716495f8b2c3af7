"""`show`: a scenario to read."""

from typing import Annotated

import typer

from leaklab.commands import options, output

OnlyCode = Annotated[bool, typer.Option("--code", help="Show only the halves, without lesson and settings.")]


def command(
    name: options.Name,
    lang: options.Lang = None,
    almost: options.Almost = False,
    only_code: OnlyCode = False,
    scenarios: options.Scenarios = None,
) -> None:
    """Show what the fix changes, the lesson, and the settings."""
    from leaklab.content.catalog import Catalog
    from leaklab.reports.lesson import code_of, lesson, settings_table

    entry = Catalog(scenarios).get(name, options.language_of(lang))
    scenario = entry.scenario
    console = output.console()
    halves = {half: entry.source(half) for half in options.halves_of(entry, almost=almost)}
    parts = [code_of(entry, halves, console)] if only_code else [*lesson(entry, halves, console)]
    if not only_code and scenario.settings.declared:
        parts.append(settings_table(scenario))
    output.show_pages(console, parts)
