"""`progress`: how far the exercises of a folder have come, or those of a room."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from leaklab.commands import options, output
from leaklab.errors import ExitCode
from leaklab.reports.formats import PROGRESS


def command(
    directories: options.Folders = None,
    form: Annotated[options.Text, options.format_of(PROGRESS)] = None,
    as_json: options.Json = False,
    file: options.Output = None,
) -> ExitCode:
    """Show your progress on the exercises in a folder, or that of a room."""
    from leaklab.workshop.learners import read_learners

    target = output.destination(PROGRESS, form, file, as_json=as_json)
    folders = directories or [Path()]
    learners, errors = read_learners(folders, datetime.now().astimezone())
    if learners:
        target.show(learners=learners, several=len(folders) > 1)
    output.complain(*map(str, errors))
    if not learners:
        return ExitCode.WRONG_USAGE
    return ExitCode.NOT_AS_EXPECTED if errors else ExitCode.DONE
