"""`solution`: the fixed half beside a learner's file."""

from typing import Annotated

import typer

from leaklab.commands import options, output
from leaklab.commands.task import locate
from leaklab.errors import UsageError
from leaklab.units import as_argument

Anyway = Annotated[bool, typer.Option("--anyway", help="Show it before the exercise is solved.")]


def command(file: options.File = None, anyway: Anyway = False, scenarios: options.Scenarios = None) -> None:
    """Show our solution beside your file, once that is fixed."""
    task = locate(file, scenarios=scenarios)
    if not anyway and not task.is_solved:
        shown = as_argument(task.file)
        raise UsageError(
            f"{task.file} is not solved yet. Try `leaklab hint {shown}`; "
            f"`leaklab solution {shown} --anyway` shows the solution regardless."
        )
    console = output.console()
    output.show_pages(console, [task.solution(console)])
