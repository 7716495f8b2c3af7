"""`progress`: how far the exercises of a folder have come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from leaklab.commands import options, output
from leaklab.reports.formats import PROGRESS

Format = Annotated[str | None, options.format_of(PROGRESS)]


def command(directory: options.Folder = Path(), form: Format = None, file: options.Output = None) -> None:
    """Show your progress on the exercises in a folder."""
    from leaklab.workshop.exercises import known_exercises

    target = output.destination(PROGRESS, form, file)
    target.show(exercises=known_exercises(directory))
