"""The progress file of a folder of exercises: read, checked, and replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

from leaklab.errors import ExitCode, LeaklabError
from leaklab.system.files import write_whole

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment] # Windows

STATE = "leaklab-progress.json"
"""The name of the file."""

SCHEMA = 1
"""The version of its form."""


class ProgressFileError(LeaklabError):
    """The progress file cannot be read or written; the message says where, and what to do."""

    exit_code = ExitCode.WRONG_USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """The progress of one exercise.

    Attributes:
        scenario: the id of its scenario.
        started: when, as ISO 8601 with the offset from UTC, as all times here.
        attempts: how often it was checked.
        hints: how many hints were shown.
        solved: when a check first found it fixed; None before that.
        scenarios: its folder of scenarios, relative to the exercise's folder; None for a built-in scenario.
    """

    scenario: str
    started: str
    attempts: int = 0
    hints: int = 0
    solved: str | None = None
    scenarios: str | None = None


def load(folder: Path) -> dict[str, Exercise]:
    """The exercises of `folder`, by file name; empty without a progress file.

    Raises:
        ProgressFileError: the progress file cannot be read, or leaklab did not write it.
    """
    path = folder / STATE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _exercises(document)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProgressFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _broken(path, f"not UTF-8: {error.reason}") from error
    except json.JSONDecodeError as error:
        raise _broken(path, f"not valid JSON, line {error.lineno}: {error.msg}") from error
    except RecursionError as error:
        raise _broken(path, "not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise _broken(path, str(error)) from error


def update(folder: Path, name: str, change: Callable[[Exercise | None], Exercise]) -> Exercise:
    """Replace the exercise `name` by what `change` makes of it, and return that.

    The file is replaced as a whole or not at all, and by one process at a time.

    Raises:
        ProgressFileError: the progress file is broken or cannot be written. It is left as it was.
    """
    with _one_at_a_time(folder):
        exercises = load(folder)
        changed = change(exercises.get(name))
        exercises[name] = changed
        document = {"schema": SCHEMA, "exercises": {key: asdict(exercises[key]) for key in sorted(exercises)}}
        write_text(folder / STATE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return changed


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically. Raises ProgressFileError if it cannot be written; the old text is kept."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise ProgressFileError(f"{path} cannot be written: {error.strerror}. The old content is kept.") from error


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other leaklab processes from changing the folder's state; without a lock if the system has none."""
    fd = None
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fd = os.open(folder, os.O_RDONLY)
            fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def _broken(path: Path, what: str) -> ProgressFileError:
    return ProgressFileError(
        f"{path} is broken: {what}. Fix it, or move it away and run `leaklab start` again; your files are kept."
    )


def _exercises(document: Any) -> dict[str, Exercise]:
    """The exercises in a document. Raises ValueError with what is wrong with it."""
    if not isinstance(document, dict) or not isinstance(document.get("exercises"), dict):
        raise ValueError('it has no "exercises"')
    if document.get("schema") != SCHEMA:
        raise ValueError(f'"schema" is {document.get("schema")!r}, but this leaklab reads {SCHEMA}')
    return {str(name): _exercise(str(name), about) for name, about in document["exercises"].items()}


def _exercise(name: str, about: Any) -> Exercise:
    if not isinstance(about, dict):
        raise ValueError(f"{name!r} is not an object")
    if Path(name).name != name or name in ("", ".", "..", STATE):
        raise ValueError(f"{name!r} is not the name of a file in this folder")
    types = get_type_hints(Exercise)
    for key, value in about.items():
        if key not in types:
            raise ValueError(f"{name!r} has an unknown key, {key!r}")
        if not isinstance(value, types[key]) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
            raise ValueError(f"{key!r} of {name!r} must not be {value!r}")
    if missing := {"scenario", "started"} - set(about):
        raise ValueError(f"{name!r} has no {min(missing)!r}")
    return Exercise(**about)
