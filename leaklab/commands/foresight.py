"""Guesses from a command line what it will measure, and starts that before Typer is imported to parse it.

It handles only the plain case: one of leaklab's own scenarios, without an option that changes how halves are started.
Everything else starts when the command asks for it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.content.built_in import built_in_folder
from leaklab.content.languages import PYTHON, language_of
from leaklab.errors import LeaklabError
from leaklab.lab import ahead

if TYPE_CHECKING:
    from collections.abc import Sequence

VALUES = {
    "--all": 0,
    "--format": 1,
    "--json": 0,
    "--no-explain": 0,
    "--poll": 0,
    "--samples": 0,
    "--scenario": 1,
    "--steps": 1,
}
"""The plain options, and how many values each takes."""


def start(arguments: Sequence[str]) -> None:
    """Start the services that this command line needs, and the scenario's halves, if it is plain."""
    command, *rest = arguments
    folder, file = _plain(command, rest) if command in ("run", "check", "watch") else (None, None)
    if folder is None:
        ahead.start([])
        return
    ahead.start([folder / "leaky.py", folder / "fixed.py"])
    # The command needs these imports anyway; the processes start meanwhile.
    from leaklab.content.catalog import Entry
    from leaklab.workshop.imports import early_modules

    with contextlib.suppress(LeaklabError, OSError):
        entry = Entry(folder)
        expected = entry.scenario.expected["leaky"].given(entry.scenario.settings)
        if file is not None:
            ahead.expect(entry.scenario.services, modules=early_modules(entry, file))
        else:
            # A leaky half in which something grows will run twice.
            ahead.expect(entry.scenario.services, [folder / "leaky.py"] if expected.grows else [])


def _plain(command: str, rest: list[str]) -> tuple[Path | None, Path | None]:
    """The scenario's folder, and the learner's file where there is one; None, None if anything is not plain."""
    given: dict[str, str] = {}
    names: list[str] = []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            names.append(word)
        elif word not in VALUES:
            return None, None
        elif VALUES[word] and rest:
            given[word] = rest.pop(0)
    # A half in Go is built before it is started.
    if len(names) != 1 or language_of(Path(names[0])) is not PYTHON:
        return None, None
    file = None if command == "run" else Path(names[0])
    name = names[0] if file is None else given.get("--scenario") or _exercise(file)
    if not name or os.sep in name:
        return None, None
    folder = built_in_folder() / name.replace("-", "_")
    # What halves share is found by another environment.
    # Unlike pathlib, these do not raise where a name is too long.
    is_plain = os.path.isfile(folder / "leaky.py") and not os.path.exists(folder / "shared.py")  # noqa: PTH110, PTH113
    return (folder, file) if is_plain else (None, None)


def _exercise(file: Path) -> str | None:
    """The scenario of a learner's file, as the progress file of its folder says."""
    from leaklab.workshop.progress_file import load

    with contextlib.suppress(LeaklabError, OSError):
        found = load(file.parent).get(file.name)
        return None if found is None or found.scenarios is not None else found.scenario
    return None
