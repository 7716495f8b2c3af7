"""`doctor` and `schema`: what works on this machine, and the form of what is printed as JSON."""

from __future__ import annotations

import os
import sys

import typer

from leaklab.commands import given, output
from leaklab.commands.options import AllChecks, Json, Mongo, Scenarios
from leaklab.errors import ExitCode


def schema() -> None:
    """Print the JSON Schema of everything that --json prints."""
    from leaklab.reports import document

    output.show_json(document.schema())


def doctor(
    mongo: Mongo = None, scenarios: Scenarios = None, show_all: AllChecks = False, as_json: Json = False
) -> None:
    """Check whether leaklab works on this machine, and say how to fix what does not."""
    from leaklab.doctor.examination import examine
    from leaklab.doctor.health import Health, Terminal

    console = output.console()
    terminal = Terminal(
        is_terminal=console.is_terminal,
        width=console.width,
        colours=None if console.no_color else console.color_system,
        encoding=sys.stdout.encoding,
    )
    checks = examine(os.environ, terminal, given.mongo_uri(mongo), scenarios)
    if as_json:
        from leaklab.reports.document import checkup_document

        output.show_json(checkup_document(checks))
    else:
        from leaklab.reports.checkup import checkup

        output.show(checkup(checks, every=show_all), console)
    if any(check.state is Health.FAILED for check in checks):
        raise typer.Exit(ExitCode.COULD_NOT_MEASURE)
