"""`doctor`: what works on this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from leaklab.commands import options, output, parsing
from leaklab.errors import ExitCode
from leaklab.reports.formats import CHECKUP

Format = Annotated[str | None, options.format_of(CHECKUP)]


def command(
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Format = None,
    as_json: options.Json = False,
    file: options.Output = None,
) -> None:
    """Check what works on this machine, and how to fix the rest."""
    from leaklab.doctor.checks import Health, Terminal
    from leaklab.doctor.looks import examine

    target = output.destination(CHECKUP, form, file, as_json=as_json)
    console = output.console()
    terminal = Terminal(
        is_terminal=console.is_terminal,
        width=console.width,
        colours=console.color_system,
        no_color=console.no_color,
        encoding=sys.stdout.encoding,
    )
    checks = examine(os.environ, terminal, parsing.mongo_uri(mongo), scenarios)
    target.show(checks=checks, on=console)
    if any(check.state is Health.FAILED for check in checks):
        raise typer.Exit(ExitCode.COULD_NOT_MEASURE)
