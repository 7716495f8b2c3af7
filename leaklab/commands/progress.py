"""`progress`: how far the exercises of a folder have come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from leaklab.commands import output
from leaklab.commands.options import Folder, Output, format_of
from leaklab.reports.formats import ProgressReport

Format = Annotated[str | None, format_of(ProgressReport)]


def command(directory: Folder = Path(), form: Format = None, file: Output = None) -> None:
    """Show your progress on the exercises in a folder."""
    from leaklab.workshop.exercises import known_exercises

    target = output.destination(ProgressReport, form, file)
    target.show(ProgressReport(known_exercises(directory)))
