"""The progress file of a folder of exercises: read, checked, and replaced as a whole."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

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

Count = Annotated[int, Meta(ge=0)]


class ProgressFileError(LeaklabError):
    """The progress file cannot be read or written; the message says where, and what to do."""

    exit_code = ExitCode.WRONG_USAGE


class Exercise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
    attempts: Count = 0
    hints: Count = 0
    solved: str | None = None
    scenarios: str | None = None


class _Document(Struct, frozen=True):
    """The file: its exercises are decoded one by one, so that an error names the exercise."""

    schema: int
    exercises: dict[str, Raw]


def load(folder: Path) -> dict[str, Exercise]:
    """The exercises of `folder`, by file name; empty without a progress file.

    Raises ProgressFileError if the progress file cannot be read, or leaklab did not write it.
    """
    path = folder / STATE
    try:
        return _exercises(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProgressFileError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ProgressFileError(
            f"{path} is broken: {error}. Fix it, or move it away and run `leaklab start` again; your files are kept."
        ) from error


def _exercises(data: bytes) -> dict[str, Exercise]:
    """The exercises in a document. Raises ValueError or DecodeError with what is wrong with it."""
    document = msgspec.json.decode(data, type=_Document)
    if document.schema != SCHEMA:
        raise ValueError(f'"schema" is {document.schema!r}, but this leaklab reads {SCHEMA}')
    exercises: dict[str, Exercise] = {}
    for name, about in document.exercises.items():
        if Path(name).name != name or name in ("", ".", "..", STATE):
            raise ValueError(f"{name!r} is not the name of a file in this folder")
        try:
            exercises[name] = msgspec.json.decode(about, type=Exercise)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name!r}: {error}") from error
    return exercises


def update(folder: Path, name: str, change: Callable[[Exercise | None], Exercise]) -> Exercise:
    """Replace the exercise `name` by what `change` makes of it, and return that.

    The file is replaced as a whole or not at all, and by one process at a time. Raises ProgressFileError if it is
    broken or cannot be written, and leaves it as it was.
    """
    with _one_at_a_time(folder):
        exercises = load(folder)
        changed = exercises[name] = change(exercises.get(name))
        document = msgspec.json.encode({"schema": SCHEMA, "exercises": dict(sorted(exercises.items()))})
        write_text(folder / STATE, msgspec.json.format(document).decode() + "\n")
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
