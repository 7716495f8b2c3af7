"""`doctor` and `schema`: what works on this machine, and the form of what is printed as JSON."""

from __future__ import annotations

import os
import sys

import typer

from leaklab.commands import given, output
from leaklab.commands.options import Json, Mongo, Scenarios
from leaklab.errors import ExitCode


def schema() -> None:
    """Print the JSON Schema of what --json prints, whatever the command."""
    from leaklab.reports import document as json

    output.show_json(json.schema())


def doctor(mongo: Mongo = None, scenarios: Scenarios = None, as_json: Json = False) -> None:
    """Check what works on this machine and what does not, each with its remedy."""
    from leaklab.doctor.checks import Health, Terminal
    from leaklab.doctor.looks import examine
    from leaklab.reports.checkup import checkup, checkup_document

    console = output.console()
    terminal = Terminal(
        is_terminal=console.is_terminal,
        width=console.width,
        colours=console.color_system,
        no_color=console.no_color,
        encoding=sys.stdout.encoding,
    )
    checks = examine(os.environ, terminal, given.mongo_uri(mongo), scenarios)
    if as_json:
        output.show_json(checkup_document(checks))
    else:
        output.show(checkup(checks), console)
    if any(check.state is Health.FAILED for check in checks):
        raise typer.Exit(ExitCode.COULD_NOT_MEASURE)
