"""Starts a scenario for its author: a folder with every file, and blanks to fill in."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template

from leaklab.content.catalog import built_in_folder
from leaklab.content.folder import FILES
from leaklab.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new_scenario(name: str, parent: Path) -> Path:
    """Write the folder of a new scenario called `name` into `parent`, and return it.

    As it is written it runs, so that the author sees at each step whether it still does; `validate` complains until
    the blanks are filled in.

    Raises:
        UsageError: `name` is no scenario id, the folder is there already, or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a scenario: write lower-case words with hyphens, like slow-close")
    if (built_in_folder() / name.replace("-", "_")).is_dir():
        raise UsageError(f"{name} is built in: choose another name, or two scenarios would be called so")
    folder = parent / name.replace("-", "_")
    title = name.replace("-", " ").capitalize()
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{folder} is there already: nothing was written. Choose another name or folder.") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    templates = resources.files("leaklab.content.templates")
    for file in FILES:
        text = templates.joinpath(f"{file}.txt").read_text(encoding="utf-8")
        (folder / file).write_text(Template(text).safe_substitute(title=title), encoding="utf-8")
    return folder
