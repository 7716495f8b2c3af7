"""`progress`: how far the exercises of a folder have come."""

from pathlib import Path
from typing import Annotated

from leaklab.commands import options, output
from leaklab.reports.formats import PROGRESS


def command(
    directory: options.Folder = Path(),
    form: Annotated[options.Text, options.format_of(PROGRESS)] = None,
    file: options.Output = None,
) -> None:
    """Show your progress on the exercises in a folder."""
    from leaklab.workshop.exercises import known_exercises

    output.destination(PROGRESS, form, file).show(exercises=known_exercises(directory))
