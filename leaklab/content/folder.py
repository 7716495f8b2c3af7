"""A scenario's folder: begun from a template, and checked without running anything."""

import re
from pathlib import Path
from string import Template

from leaklab.content.catalog import FILES, Entry, built_in_folder
from leaklab.errors import UsageError

OPTIONAL_FILES = ("almost.py",)
"""The files that it may also have."""

BLANK = "FILL IN"
"""Marks a blank that the author fills in."""


def folder_problems(entry: Entry) -> list[str]:
    """Files that are missing or do not belong there, blanks to fill in, and what the halves and the lesson lack."""
    there = sorted(child.name for child in entry.folder.iterdir())
    # pip compiles what it installs: that file is not the author's.
    strange = [name for name in there if name not in {*FILES, *OPTIONAL_FILES, "__pycache__"}]
    problems = [f"{entry.folder / name} is missing" for name in FILES if not (entry.folder / name).is_file()]
    problems += [f"{entry.folder / name} does not belong in a scenario folder: move or delete it" for name in strange]
    lesson = entry.folder / "lesson.md"
    if lesson.is_file() and not entry.lesson.lstrip().startswith("# "):
        problems.append(f"{lesson} does not start with a title (`# …`)")
    if lesson.is_file() and not entry.why:
        problems.append(f"{lesson} has no block quote (`> …`): it is the one line of why under a result")
    for path in [entry.folder / name for name in (*FILES, *OPTIONAL_FILES)]:
        if path.is_file() and (blanks := entry.text(path.name).count(BLANK)):
            problems.append(f"{path} still has {blanks} blank{'s' if blanks != 1 else ''} to fill in ({BLANK})")
    for half in entry.halves:
        if "leaklab" in entry.source(half):
            problems.append(f"{entry.half_path(half)} mentions leaklab: a half is plain code, as written at work")
    return problems


def new_scenario(name: str, parent: Path) -> Path:
    """Write the folder of a new scenario called `name` into `parent`, and return it.

    It runs as it is, so that its author sees at each step whether it still does; `folder_problems` lists its blanks.

    Raises:
        UsageError: `name` is not a scenario id, the folder exists already or cannot be created.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{name!r} is not a scenario name: write lower-case words with hyphens, like slow-close")
    if (built_in_folder() / name.replace("-", "_")).is_dir():
        raise UsageError(f"{name} is a built-in scenario: choose another name")
    folder = parent / name.replace("-", "_")
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(f"{folder} already exists: nothing was written. Choose another name or folder.") from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be created: {error.strerror}") from error
    title = name.replace("-", " ").capitalize()
    for file in FILES:
        text = Path(__file__).with_name("templates").joinpath(f"{file}.txt").read_text(encoding="utf-8")
        (folder / file).write_text(Template(text).safe_substitute(title=title), encoding="utf-8")
    return folder
