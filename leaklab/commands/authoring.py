"""`new`: a scenario folder to fill in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaklab.commands import output
from leaklab.units import as_argument


def new(
    name: Annotated[str, typer.Argument(help="The scenario's id, in lower-case words with hyphens, like slow-close.")],
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where its folder is made.")] = Path(),
) -> None:
    """Write the folder of a new scenario, with blanks to fill in."""
    from rich.text import Text

    from leaklab.content.author import new_scenario
    from leaklab.content.validation import BLANK

    folder = new_scenario(name, directory)
    output.show(
        Text(
            f"{folder} is there. It runs as it is:\n"
            f"  leaklab run {name} --scenarios {as_argument(directory)}\n"
            f"Fill in what says {BLANK}, until this is content:\n"
            f"  leaklab validate {name} --scenarios {as_argument(directory)}"
        )
    )
