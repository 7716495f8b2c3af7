"""`doctor`: what works on this machine."""

import os
import sys
from typing import Annotated

import typer

from leaklab.commands import options, output
from leaklab.errors import ExitCode
from leaklab.reports.formats import CHECKUP

Every = Annotated[bool, typer.Option("--all", help="Show every check, also those that passed.")]


def command(
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    every: Every = False,
    form: Annotated[options.Text, options.format_of(CHECKUP)] = None,
    as_json: options.Json = False,
    file: options.Output = None,
) -> ExitCode:
    """Check whether leaklab works on this machine, and say how to fix what does not."""
    from leaklab.doctor.examination import examine
    from leaklab.doctor.health import Health, Terminal

    target = output.destination(CHECKUP, form, file, as_json=as_json)
    console = output.console()
    colours = None if console.no_color else console.color_system
    terminal = Terminal(console.is_terminal, console.width, colours, sys.stdout.encoding)
    checks = examine(os.environ, terminal, options.mongo_uri(mongo), scenarios)
    target.show(checks=checks, every=every)
    failed = any(check.state is Health.FAILED for check in checks)
    return ExitCode.COULD_NOT_MEASURE if failed else ExitCode.DONE
