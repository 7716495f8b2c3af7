"""`reset`: an exercise becomes the leaky half again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from leaklab.commands import options, output
from leaklab.commands.task import locate


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The exercise.")], scenarios: options.Scenarios = None
) -> None:
    """Start an exercise over; your file is kept under another name."""
    from leaklab.workshop import exercises

    task = locate(file, scenarios=scenarios, must_exist=False)
    backup = exercises.reset(task.found, task.entry, datetime.now(UTC))
    kept = "There was no file to keep." if backup is None else f"Your version is now {backup}."
    output.show_text(f"{task.file} is the leaky half again. {kept}\n")
