"""The progress file of a folder of exercises: read, checked, and replaced as a whole."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from leaklab.errors import ExitCode, LeaklabError
from leaklab.system.files import open_to_read, read_regular, remove_unfinished, write_whole

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment] # Windows

STATE = "leaklab-progress.json"
"""The name of the file."""

SCHEMA = 2
"""The version of its form. In version 1 there was no `evidence`: an older leaklab would call a file with it broken."""

OLDEST = 1
"""The oldest version that can be read."""

LONGEST_NAME = 255
"""Bytes that the name of a file may have."""

LOCK_WITHIN_S = 0.7
"""Seconds that another process may hold the lock: a leaklab holds it for some milliseconds."""

Count = Annotated[int, Meta(ge=0, le=10**9)]


class ProgressFileError(LeaklabError):
    """The progress file cannot be read or written; the message says where, and what to do."""

    exit_code = ExitCode.WRONG_USAGE


class EvidenceNote(Struct, frozen=True, forbid_unknown_fields=True):
    """What a check found of a file's leak: in words, and the digest of the content that was checked."""

    digest: Annotated[str, Meta(max_length=100)]
    words: Annotated[str, Meta(max_length=2000)]


def digest(content: bytes) -> str:
    """What tells one content of a file from another."""
    return hashlib.sha256(content).hexdigest()


class Exercise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The progress of one exercise.

    Attributes:
        scenario: the id of its scenario.
        started: when, as ISO 8601 with the offset from UTC, as all times here.
        attempts: how often it was checked, until it was fixed.
        hints: how many hints were shown.
        solved: when a check first found it fixed; None before that.
        scenarios: its folder of scenarios, relative to the exercise's folder; None for a built-in scenario.
        evidence: what the last check that found evidence said of it; None before that.
    """

    scenario: str
    started: str
    attempts: Count = 0
    hints: Count = 0
    solved: str | None = None
    scenarios: str | None = None
    evidence: EvidenceNote | None = None


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
        return _exercises(read_regular(path, follow=False))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ProgressFileError(f"{path} cannot be read: {error.strerror}. Move it away, or repair it.") from error
    except NewerFormError as error:
        raise ProgressFileError(f"{path} is from a newer leaklab: {error}. Upgrade leaklab.") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ProgressFileError(
            f"{path} is broken: {error}. Fix it, or move it away and run `leaklab start` again; your files are kept."
        ) from error


class NewerFormError(ValueError):
    """A document has a form that this leaklab does not know yet."""


def _exercises(data: bytes) -> dict[str, Exercise]:
    """The exercises in a document. Raises ValueError or DecodeError with what is wrong with it."""
    document = msgspec.json.decode(data, type=_Document)
    if not OLDEST <= document.schema <= SCHEMA:
        kind = NewerFormError if document.schema > SCHEMA else ValueError
        raise kind(f'"schema" is {document.schema}, and this one reads {OLDEST} to {SCHEMA}')
    exercises: dict[str, Exercise] = {}
    for name, about in document.exercises.items():
        is_name = Path(name).name == name and name.isprintable() and len(os.fsencode(name)) <= LONGEST_NAME
        if not is_name or name in ("", ".", "..", STATE):
            raise ValueError(f"{name!r} is not the name of a file in this folder")
        try:
            exercises[name] = msgspec.json.decode(about, type=Exercise)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name!r}: {error}") from error
        for text in (exercises[name].started, exercises[name].solved):
            if text is not None and not _is_time(text):
                raise ValueError(f"{name!r}: {text!r} is not a time, like 2026-01-31T10:00:00+00:00")
    return exercises


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def update(folder: Path, name: str, change: Callable[[Exercise | None], Exercise]) -> Exercise:
    """Replace the exercise `name` by what `change` makes of it, and return that.

    The file is replaced as a whole or not at all, and by one process at a time. Raises ProgressFileError if it is
    broken or cannot be written, and leaves it as it was.
    """
    with _one_at_a_time(folder):
        for path in (folder / STATE, folder / name):
            remove_unfinished(path)
        exercises = load(folder)
        changed = exercises[name] = change(exercises.get(name))
        document = msgspec.json.encode({"schema": SCHEMA, "exercises": dict(sorted(exercises.items()))})
        write_text(folder / STATE, msgspec.json.format(document).decode() + "\n")
    return changed


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically. Raises ProgressFileError if it cannot be written; the old text is kept."""
    try:
        write_whole(path, text.encode())
    except OSError as error:
        raise ProgressFileError(f"{path} cannot be written: {error.strerror}. The old content is kept.") from error


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other processes from changing the folder's state; without a lock if the system has none.

    Raises ProgressFileError if another one keeps the state locked.
    """
    with contextlib.ExitStack() as held:
        for path in (folder, folder / STATE):
            descriptor = None
            with contextlib.suppress(OSError):
                descriptor = open_to_read(path, follow=path == folder)
            if descriptor is not None:
                held.callback(os.close, descriptor)
                _lock(descriptor, path)
        yield


def _lock(descriptor: int, path: Path) -> None:
    if fcntl is None:
        return
    until = time.monotonic() + LOCK_WITHIN_S
    # The two kinds of lock that there are do not know of each other (flock(2), fcntl(2)).
    for lock, how in ((fcntl.flock, fcntl.LOCK_EX), (fcntl.lockf, fcntl.LOCK_SH)):
        while True:
            try:
                lock(descriptor, how | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                if time.monotonic() > until:
                    what = "this folder" if path == Path() else path
                    words = "is locked by another program. End that, then try again; nothing was changed."
                    raise ProgressFileError(f"{what} {words}") from None
                time.sleep(0.01)
            except OSError:  # a file system without this lock, or a folder, which has none of the second kind
                break
            else:
                break
