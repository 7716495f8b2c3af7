"""What must be in a scenario's folder, and what must not: looked at without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry

FILES = ("scenario.py", "leaky.py", "fixed.py", "lesson.md")
"""The files of every scenario folder."""

OPTIONAL_FILES = ("almost.py",)
"""The files that it may also have."""

BLANK = "FILL IN"
"""Marks a blank in a scenario that `leaklab new` wrote."""


def folder_problems(entry: Entry) -> list[str]:
    """Files that are missing or do not belong there, blanks to fill in, and what the halves and the lesson lack."""
    problems = [f"{entry.folder / name} is missing" for name in FILES if not (entry.folder / name).is_file()]
    # pip compiles what it installs: that file is not the author's.
    known = {*FILES, *OPTIONAL_FILES, "__pycache__"}
    problems += [
        f"{child} does not belong in a scenario folder: move or delete it"
        for child in sorted(entry.folder.iterdir())
        if child.name not in known
    ]
    if entry.lesson_path.is_file():
        problems += _lesson_problems(entry)
    for name in (*FILES, *OPTIONAL_FILES):
        path = entry.folder / name
        blanks = entry.text(name).count(BLANK) if path.is_file() else 0
        if blanks:
            problems.append(f"{path} still has {blanks} blank{'s' if blanks != 1 else ''} to fill in ({BLANK})")
    for half in entry.halves:
        if "leaklab" in entry.source(half):
            problems.append(f"{entry.half_path(half)} mentions leaklab: a half is plain code, as written at work")
    return problems


def _lesson_problems(entry: Entry) -> list[str]:
    problems: list[str] = []
    if not entry.lesson.lstrip().startswith("# "):
        problems.append(f"{entry.lesson_path} does not start with a title (`# …`)")
    if not entry.why:
        problems.append(f"{entry.lesson_path} has no block quote (`> …`): it is the one line of why under a result")
    return problems
