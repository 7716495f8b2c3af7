"""Exercises: found, started, reset; their task, their hints and their attempts."""

from __future__ import annotations

import ast
import difflib
import itertools
import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from msgspec.structs import replace

from leaklab.content.catalog import SHARED
from leaklab.content.languages import PYTHON, language_of
from leaklab.errors import LeaklabError, ScenarioError, UsageError
from leaklab.lab.complaints import requests_in_words
from leaklab.measure.source_line import UNPARSABLE
from leaklab.metrics import METRICS
from leaklab.system.files import create_whole, read_regular
from leaklab.units import as_argument
from leaklab.workshop.progress_file import (
    STATE,
    EvidenceNote,
    Exercise,
    ProgressFileError,
    digest,
    load,
    update,
    write_text,
)

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry

WIDTH = 79
"""Columns of the task in an exercise's docstring."""

START = "`leaklab start NAME` creates an exercise"


@dataclass(frozen=True, slots=True)
class LocatedExercise:
    """An exercise and its file; `exercise` is None for a file that `start` did not create."""

    file: Path
    exercise: Exercise | None

    @property
    def scenarios(self) -> Path | None:
        """The folder of scenarios that the exercise comes from, None for a built-in scenario."""
        if self.exercise is None or self.exercise.scenarios is None:
            return None
        return self.file.parent / self.exercise.scenarios


def find(
    given: Path | None, choose: Callable[[Mapping[str, Exercise]], str | None] = lambda _: None
) -> LocatedExercise:
    """The exercise at `given`: a file, or a folder (None: this folder). Of several in a folder, that which is chosen.

    Raises UsageError if there is none, or none is chosen; ProgressFileError if the progress file is broken.
    """
    folder = given or Path()
    if not _is_folder(folder):
        return _find_file(folder)
    exercises = known_exercises(folder)
    name = choose(exercises) if len(exercises) > 1 else next(iter(exercises))
    if name is None:
        raise UsageError(f"which exercise in {_called(folder)}? Name one: {', '.join(sorted(exercises))}")
    return LocatedExercise(folder / name, exercises[name])


def _find_file(given: Path) -> LocatedExercise:
    exercises = load(given.parent)
    found = LocatedExercise(given, exercises.get(given.name))
    if found.exercise is None and not os.path.exists(given):  # noqa: PTH110 # as above
        suffix = language_of(given).suffix
        wanted = given.name.replace("-", "_").removesuffix(suffix) + suffix
        near = difflib.get_close_matches(wanted, exercises, n=1, cutoff=0.6)
        hint = f"did you mean {given.with_name(near[0])}?" if near else START
        raise UsageError(f"there is no file {given}; {hint}")
    return found


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 # Path.is_dir raises if the parent folder may not be read


def _called(folder: Path) -> str:
    return "this folder" if folder == Path() else str(folder)


def start(entry: Entry, folder: Path, now: datetime, scenarios: Path | None = None) -> tuple[Path, bool]:
    """Create the exercise of `entry` in `folder`; return its file, and whether it was written now.

    An existing file is never overwritten. If the progress file does not list it, it becomes the exercise: that
    restores a lost progress file.

    Raises UsageError if there is nothing to fix, the exercise exists or the folder cannot be created;
    ProgressFileError as `update` does.
    """
    if not entry.is_exercise:
        raise UsageError(
            f"{entry.id} is no exercise in {entry.language.label}: nothing leaks there. "
            f"`leaklab show {entry.id} --lang {entry.language.name}` says why."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be created: {error.strerror}. Choose another folder.") from error
    path = folder / file_name(entry)
    place = None if scenarios is None else os.path.relpath(scenarios, folder)
    written = False

    def begin(known: Exercise | None) -> Exercise:
        nonlocal written
        if known is not None and os.path.lexists(path):
            raise UsageError(
                f"{path} already exists; nothing was written. `leaklab check {as_argument(path)}` measures it, "
                f"`leaklab reset {as_argument(path)}` starts it over."
            )
        try:
            create_whole(path, exercise_text(entry, place).encode())
            written = True
        except FileExistsError:
            try:
                _read(path)
            except FileNotFoundError:
                raise UsageError(f"{path} is a link that leads nowhere. Move it away, then try again.") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}. Nothing is left of it.") from error
        return known or Exercise(scenario=entry.id, started=_stamp(now), scenarios=place)

    try:
        update(folder, path.name, begin)
    except LeaklabError:
        if written:
            # A moment ago it was not there.
            path.unlink(missing_ok=True)
        raise
    return path, written


def _read(file: Path) -> bytes:
    """The content of an exercise. Raises UsageError if it cannot be read; FileNotFoundError if it is not there."""
    try:
        return read_regular(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}. Move it away, then try again.") from error


def file_name(entry: Entry) -> str:
    """The name of an exercise's file."""
    return f"{entry.folder.name}{entry.language.suffix}"


def exercise_text(entry: Entry, scenarios: str | None = None) -> str:
    """The leaky half, verbatim, below the task; `scenarios` is the folder that it comes from, if it is not built in."""
    task, leaky = task_text(entry, scenarios), entry.source("leaky")
    comment = "".join(f"{entry.language.comment} {line}".rstrip() + "\n" for line in task.splitlines())
    if entry.language is not PYTHON:
        return f"{comment}\n{leaky}"
    try:
        own = ast.get_docstring(ast.parse(leaky, "leaky.py"))
    except UNPARSABLE as error:
        where = entry.half_path("leaky")
        raise ScenarioError(f"scenario {entry.id} is broken: {where}: {type(error).__name__}: {error}") from error
    if own is None:
        quoted = task.replace("\\", "\\\\").replace('"""', "'''")
        return f'"""{quoted}"""\n\n{leaky}'
    # The half's own docstring must stay the first statement.
    return f"{comment}\n{leaky}"


def task_text(entry: Entry, scenarios: str | None = None) -> str:
    """The task of an exercise: what leaks, what to keep, how to check; ends with a line feed."""
    scenario, name = entry.scenario, file_name(entry)
    shows = " and ".join(METRICS[metric].label for metric in scenario.telling)
    counts = scenario.requests(scenario.settings)
    requests = ", ".join(f"{requests_in_words(count)} {route}" for route, count in counts.items())
    keep = f", its return value and its requests ({requests})" if requests else " and its return value"
    shared = f"It imports {SHARED}, which `leaklab show` shows below the halves. " if entry.shared else ""
    keep = f"Keep {entry.language.run}, its arguments{keep}. Any style will do."
    paragraphs = [
        f"{scenario.title}: a leaklab exercise.",
        f"What leaks: {scenario.leaks}. Why: {scenario.summary}. Where to look: {shows}.",
        f"Change this file until nothing leaks. {keep} {shared}{scenario.task}",
    ]
    for one in scenario.settings.declared:
        value = scenario.settings[one.name]
        if others := " and ".join(f"{one.name}={other}" for other in one.other_choices(value)):
            paragraphs.append(
                f"It is checked with {one.name}={value}; once it is right, with {others}, too. {one.help}"
            )
    commands = [
        f"leaklab check {name}     measures it next to leaky and fixed",
        f"leaklab watch {name}     the same, every time you save",
        f"leaklab hint {name}      shows the next of {len(scenario.hints)} hints",
    ]
    if scenarios is not None:
        own = as_argument(PurePath(scenarios))
        paragraphs.append(f"Add --scenarios {own} to each command: nothing in that folder is run unless you name it.")
    text = "\n\n".join(textwrap.fill(paragraph.strip(), WIDTH) for paragraph in paragraphs)
    return text + "\n\n" + "\n".join(f"    {line}" for line in commands) + "\n"


def note_evidence(found: LocatedExercise, note: EvidenceNote) -> Exercise | None:
    """Keep what was found of the file's leak, for its hints. None if the file is not an exercise."""
    return None if found.exercise is None else _change(found, lambda old: replace(old, evidence=note))


def evidence_for(exercise: Exercise, content: bytes) -> str:
    """What the last check found of a file's leak, in words; empty if that was another content, or it found nothing."""
    note = exercise.evidence
    return note.words if note is not None and note.digest == digest(content) else ""


def record_attempt(found: LocatedExercise, now: datetime, *, fixed: bool) -> Exercise | None:
    """Count an attempt, and date the first success; later checks are not counted. None if it is not an exercise."""
    if found.exercise is None:
        return None
    solved = _stamp(now) if fixed else None

    def count(old: Exercise) -> Exercise:
        return old if old.solved else replace(old, attempts=old.attempts + 1, solved=solved)

    return _change(found, count)


def next_hint(found: LocatedExercise, hints: tuple[str, ...]) -> tuple[Exercise, int]:
    """Count one more hint as shown. Also returns its number, from 1: one too high if all were shown before.

    Raises UsageError if the scenario has none.
    """
    scenario = _known(found).scenario
    if not hints:
        raise UsageError(f"{scenario} has no hints; `leaklab show {scenario}` explains the leak")
    asked = 0

    def count(old: Exercise) -> Exercise:
        nonlocal asked
        asked = old.hints + 1
        return replace(old, hints=min(asked, len(hints)))

    return _change(found, count), asked


def _change(found: LocatedExercise, change: Callable[[Exercise], Exercise]) -> Exercise:
    """Update the progress of an exercise, from what was known of it if the progress file no longer lists it."""
    known = _known(found)
    return update(found.file.parent, found.file.name, lambda old: change(old or known))


def reset(found: LocatedExercise, entry: Entry, now: datetime) -> Path | None:
    """Start the exercise over, and return the backup of the learner's file; None if there was no file."""
    known = _known(found)
    backup: Path | None = None
    is_new = False

    def begin_again(_: Exercise | None) -> Exercise:
        nonlocal backup, is_new
        backup = _back_up(found.file)
        try:
            write_text(found.file, exercise_text(entry, known.scenarios))
        except ProgressFileError:
            # The file is as it was: it needs no copy.
            if backup is not None:
                backup.unlink(missing_ok=True)
            raise
        is_new = True
        return Exercise(scenario=known.scenario, started=_stamp(now), scenarios=known.scenarios)

    try:
        _change(found, begin_again)
    except ProgressFileError as error:
        if not is_new:
            raise
        kept = "" if backup is None else f", and your version is {backup}"
        raise ProgressFileError(f"{found.file} is the leaky half again{kept}. But {error}") from error
    return backup


def _back_up(file: Path) -> Path | None:
    """Copy `file` to the next free name beside it."""
    try:
        data = _read(file)
    except FileNotFoundError:
        return None
    backups = (file.with_name(f"{file.name}.{number}.bak") for number in itertools.count(1))
    while True:
        backup = next(backups)
        try:
            create_whole(backup, data)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"{backup} cannot be written: {error.strerror}. {file} was not changed.") from error
        return backup


def known_exercises(folder: Path) -> Mapping[str, Exercise]:
    """The exercises of a folder. Raises UsageError if there are none; ProgressFileError as `load` does."""
    if not _is_folder(folder):
        raise UsageError(f"there is no folder {folder}")
    exercises = load(folder)
    if not exercises:
        raise UsageError(f"there is no exercise in {_called(folder)}; {START}")
    return exercises


def _known(found: LocatedExercise) -> Exercise:
    if found.exercise is None:
        raise UsageError(f"{found.file} is not an exercise ({STATE} does not list it); {START}")
    return found.exercise


def _stamp(now: datetime) -> str:
    return now.astimezone().isoformat(timespec="seconds")
