"""A scenario's folder: begun from a template, and checked without running anything."""

import re
import sys
from pathlib import Path
from string import Template
from textwrap import shorten

from leaklab.content.built_in import built_in_folder
from leaklab.content.catalog import FILES, SHARED, Entry, scan
from leaklab.content.declaration import ALL_HALVES, HALVES
from leaklab.content.languages import LANGUAGES, PYTHON
from leaklab.errors import UsageError
from leaklab.system.files import create_whole
from leaklab.system.processes import remove_folder
from leaklab.units import lines_of

OPTIONAL_FILES = (*(half + language.suffix for language in LANGUAGES.values() for half in ALL_HALVES), SHARED)
"""The files that it may also have."""

BLANK = "FILL IN"
"""Marks a blank that the author fills in."""


def folder_problems(entry: Entry) -> list[str]:
    """Files that are missing or do not belong there, blanks to fill in, and what the halves and the lesson lack."""
    there = sorted(child.name for child in entry.folder.iterdir())
    # pip compiles what it installs: that file is not the author's.
    strange = [name for name in there if name not in {*FILES, *OPTIONAL_FILES, "__pycache__"}]
    languages = entry.languages or (entry.language,)
    needed = [*FILES, *(half + language.suffix for language in languages for half in HALVES)]
    problems = [f"{entry.folder / name} is missing" for name in needed if not (entry.folder / name).is_file()]
    problems += [f"{entry.folder / name} does not belong in a scenario folder: move or delete it" for name in strange]
    lesson = entry.folder / "lesson.md"
    if lesson.is_file() and not entry.lesson.lstrip().startswith("# "):
        problems.append(f"{lesson} does not start with a title (`# …`)")
    if lesson.is_file() and not entry.why:
        problems.append(f"{lesson} has no block quote (`> …`): it is the one line of why under a result")
    for name in (*FILES, *OPTIONAL_FILES):
        if (entry.folder / name).is_file():
            problems += _blanks(entry, name)
    for name in OPTIONAL_FILES:
        if (entry.folder / name).is_file() and "leaklab" in entry.text(name):
            problems.append(f"{entry.folder / name} mentions leaklab: it is to be plain code, as written at work")
    return problems


def _blanks(entry: Entry, name: str) -> list[str]:
    """Where the blanks of a file are, with what is to be filled in: a line of the terminal for each."""
    return [
        shorten(f"{entry.folder.name}/{name}, line {number}: {text[text.index(BLANK) :]}", 74, placeholder=" …")
        for number, line in enumerate(lines_of(entry.text(name)), start=1)
        for text in line.split('"')
        if BLANK in text
    ]


def new_scenario(name: str, parent: Path) -> Path:
    """Write the folder of a new scenario called `name` into `parent`, and return it.

    It runs as it is, so that its author sees at each step whether it still does; `folder_problems` lists its blanks.

    Raises:
        UsageError: `name` is not a scenario id, the folder exists already or cannot be created.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{name!r} is not a scenario name: write lower-case words with hyphens, like slow-close")
    if name in [entry.id for entry in scan(built_in_folder())]:
        raise UsageError(f"{name} is a built-in scenario: choose another name")
    if name.replace("-", "_") in sys.stdlib_module_names:
        # Its exercise would be imported in the place of the module.
        raise UsageError(f"{name} is a module of Python: choose another name")
    folder = parent / name.replace("-", "_")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{folder} already exists: nothing was written. Choose another name or folder.") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be created: {error.strerror}. Choose another name or folder.") from error
    title = name.replace("-", " ").capitalize()
    try:
        for file in (*FILES, *(half + PYTHON.suffix for half in HALVES)):
            text = Path(__file__).with_name("templates").joinpath(f"{file}.txt").read_text(encoding="utf-8")
            create_whole(folder / file, Template(text).safe_substitute(title=title).encode())
    except OSError as error:
        remove_folder(folder)
        raise UsageError(f"{folder} cannot be written: {error.strerror}. Nothing is left of it.") from error
    return folder
