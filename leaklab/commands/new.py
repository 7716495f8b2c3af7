"""`new`: a scenario folder to fill in."""

from pathlib import Path
from typing import Annotated

import typer

from leaklab.commands import output
from leaklab.units import as_argument

Id = Annotated[str, typer.Argument(metavar="NAME", help="Its id, in lower-case words with hyphens: slow-close.")]
Parent = Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to create its folder. Default: this folder.")]


def command(name: Id, directory: Parent = Path()) -> None:
    """Create the folder of a new scenario, with blanks to fill in."""
    from leaklab.content.folder import BLANK, new_scenario

    folder = new_scenario(name, directory)
    output.show_text(
        f"Created {folder}/. It already runs:\n"
        f"  leaklab run {name} --scenarios {as_argument(directory)}\n"
        f"Replace every {BLANK} until this passes:\n"
        f"  leaklab validate {name} --scenarios {as_argument(directory)}\n"
    )
