"""Exercises in a folder: the learner's files, and the one readable file that says how far each of them has come."""

from __future__ import annotations

import ast
import contextlib
import difflib
import json
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaklab.errors import ExitCode, LeaklabError, UsageError
from leaklab.metrics import METRICS
from leaklab.system.files import write_whole
from leaklab.units import as_argument

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment] # Windows

STATE = "leaklab-progress.json"
"""The file beside the exercises that holds their state."""

SCHEMA = 1
"""The version of its form."""

WIDTH = 79
"""Columns of the task in an exercise's docstring."""


class ProgressFileError(LeaklabError):
    """The progress file cannot be read or written; the message says where, and what to do."""

    exit_code = ExitCode.WRONG_USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One exercise, and how far it has come.

    Attributes:
        scenario: the id of its scenario.
        started: when, as ISO 8601 with the offset from UTC; so are all other times.
        attempts: how often it was checked.
        hints: how many hints were shown.
        solved: when a check first found it fixed; None if none has.
        scenarios: the folder of scenarios it comes from, relative to the exercises'; None for a built-in one.
    """

    scenario: str
    started: str
    attempts: int = 0
    hints: int = 0
    solved: str | None = None
    scenarios: str | None = None


@dataclass(frozen=True, slots=True)
class LocatedExercise:
    """An exercise and where it is; `exercise` is None for a file that was not started with `start`."""

    file: Path
    exercise: Exercise | None

    @property
    def scenarios(self) -> Path | None:
        """The folder of scenarios that the exercise comes from, None for a built-in one."""
        if self.exercise is None or self.exercise.scenarios is None:
            return None
        return self.file.parent / self.exercise.scenarios


# ---- the progress file


def load(folder: Path) -> dict[str, Exercise]:
    """The exercises of `folder`, by file name; none if it has no progress file.

    Raises:
        StateError: the progress file cannot be read, or is not what leaklab wrote.
    """
    path = folder / STATE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise _broken(path, f"it is no UTF-8: {error.reason}") from error
    except OSError as error:
        raise ProgressFileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise _broken(path, f"it is no JSON{where}: {getattr(error, 'msg', error)}") from error
    try:
        return _exercises(document)
    except (TypeError, ValueError) as error:
        raise _broken(path, str(error)) from error


def update(folder: Path, name: str, change: Callable[[Exercise | None], Exercise]) -> Exercise:
    """Replace the state of the exercise `name` by what `change` makes of it, and return that.

    The file is replaced as a whole or not at all, and by one process at a time.

    Raises:
        StateError: the progress file is broken, or cannot be written. It stays as it is.
    """
    with _one_at_a_time(folder):
        exercises = load(folder)
        changed = change(exercises.get(name))
        exercises[name] = changed
        document = {"schema": SCHEMA, "exercises": {key: asdict(exercises[key]) for key in sorted(exercises)}}
        _write(folder / STATE, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return changed


def _write(path: Path, text: str) -> None:
    """Write `text` to `path` as a whole. Raises ProgressFileError if it cannot be written; what was there stays."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise ProgressFileError(
            f"{path} cannot be written: {error.strerror}. What was there is still there."
        ) from error


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let no other leaklab change the folder's state meanwhile; where the system has no such lock, go on without."""
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
        f"{path} is broken: {what}. Repair it, or move it away and run `leaklab start` again: "
        "your files stay as they are."
    )


def _exercises(document: Any) -> dict[str, Exercise]:
    """The exercises in a document. Raises ValueError or TypeError with what is wrong about it."""
    if not isinstance(document, dict) or not isinstance(document.get("exercises"), dict):
        raise ValueError('there is no "exercises" in it')
    if document.get("schema") != SCHEMA:
        raise ValueError(f'"schema" is {document.get("schema")!r}, and this leaklab knows {SCHEMA}')
    return {str(name): _exercise(str(name), about) for name, about in document["exercises"].items()}


def _exercise(name: str, about: Any) -> Exercise:
    if not isinstance(about, dict):
        raise TypeError(f"what it says of {name!r} is no object")
    if Path(name).name != name or name in ("", ".", "..", STATE):
        raise ValueError(f"{name!r} is no name of a file in its folder")
    kinds: dict[str, tuple[type, ...]] = {
        "scenario": (str,),
        "started": (str,),
        "attempts": (int,),
        "hints": (int,),
        "solved": (str, type(None)),
        "scenarios": (str, type(None)),
    }
    for key, value in about.items():
        if key not in kinds:
            raise ValueError(f"{name!r} has {key!r}, which nothing is known of")
        if not isinstance(value, kinds[key]) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
            raise ValueError(f"{key!r} of {name!r} cannot be {value!r}")
    if missing := {"scenario", "started"} - set(about):
        raise ValueError(f"{name!r} has no {min(missing)!r}")
    return Exercise(**about)


# ---- finding an exercise


def find(given: Path | None) -> LocatedExercise:
    """The exercise that is meant by `given`: a file, a folder with exactly one exercise, or (None) this folder.

    Raises:
        UsageError: there is none, or several could be meant.
        StateError: the progress file is broken.
    """
    folder = Path() if given is None else given
    # Unlike Path.is_dir, this does not raise where the folder above may not be looked into.
    if not os.path.isdir(folder):  # noqa: PTH112
        assert given is not None  # noqa: S101 # this folder is one
        return _find_file(given)
    exercises = load(folder)
    if not exercises:
        raise UsageError(f"there is no exercise in {_called(folder)}: `leaklab start NAME` makes one")
    if len(exercises) > 1:
        raise UsageError(f"which exercise? In {_called(folder)} there are {', '.join(sorted(exercises))}")
    ((name, exercise),) = exercises.items()
    return LocatedExercise(folder / name, exercise)


def _find_file(given: Path) -> LocatedExercise:
    exercises = load(given.parent)
    found = LocatedExercise(given, exercises.get(given.name))
    if found.exercise is None and not os.path.exists(given):  # noqa: PTH110
        wanted = given.name.replace("-", "_").removesuffix(".py") + ".py"
        near = difflib.get_close_matches(wanted, exercises, n=1, cutoff=0.6)
        hint = f"did you mean {given.with_name(near[0])}?" if near else "`leaklab start NAME` makes an exercise"
        raise UsageError(f"there is no file {given}: {hint}")
    return found


def _called(folder: Path) -> str:
    return "this folder" if folder == Path() else str(folder)


# ---- what is done with exercises


def start(entry: Entry, folder: Path, now: datetime, scenarios: Path | None = None) -> tuple[Path, bool]:
    """Make the exercise of `entry` in `folder`: the leaky half as a file of the learner's own, and its state.

    A file that is there already stays as it is. If nothing is known of it, it is taken for the exercise: so a lost
    progress file is made again.

    Returns:
        The file, and whether it was written now.

    Raises:
        UsageError: the exercise was started already, or the folder cannot be made.
        StateError: the progress file is broken, or cannot be written.
    """
    name = file_name(entry)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}") from error
    known, path = load(folder), folder / name
    if name in known and path.exists():
        raise UsageError(
            f"{path} is there already: nothing was written. `leaklab check {as_argument(path)}` measures it, "
            f"`leaklab reset {as_argument(path)}` begins anew."
        )
    text = exercise_text(entry)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        written = True
    except FileExistsError:
        written = False
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    place = None if scenarios is None else os.path.relpath(scenarios, folder)
    update(folder, name, lambda old: old or Exercise(scenario=entry.id, started=_stamp(now), scenarios=place))
    return path, written


def file_name(entry: Entry) -> str:
    """What an exercise's file is called."""
    return f"{entry.folder.name}.py"


def exercise_text(entry: Entry) -> str:
    """The leaky half, word for word, below the task."""
    task, leaky = task_text(entry), entry.source("leaky")
    if ast.get_docstring(ast.parse(leaky)) is None:
        quoted = task.replace("\\", "\\\\").replace('"""', "'''")
        return f'"""{quoted}"""\n\n{leaky}'
    # A docstring of its own must stay the first statement.
    return "".join(f"# {line}".rstrip() + "\n" for line in task.splitlines()) + "\n" + leaky


def task_text(entry: Entry) -> str:
    """The task of an exercise: what leaks, what must stay the same, how to check; ends with a line feed."""
    scenario, name = entry.scenario, file_name(entry)
    settings = scenario.settings
    shows = " and ".join(METRICS[metric].label for metric in scenario.telling)
    asked = ", ".join(f"{count} x {route}" for route, count in scenario.requests(settings).items())
    steps = f" in {settings.steps} steps" if settings.steps is not None else ""
    requests = f" and what it asks of the services ({asked}{steps})" if asked else ""
    same = f"run() and its arguments, what it returns{requests}"
    paragraphs = [
        f"{scenario.title}: an exercise of leaklab.",
        f"What leaks: {scenario.leaks}. How: {scenario.summary}. It shows in: {shows}.",
        f"Change this file until nothing leaks. What stays the same: {same}. Any style will do. {scenario.task}",
    ]
    commands = [
        f"leaklab check {name}     measures it beside the leaky and the fixed half",
        f"leaklab watch {name}     the same, each time you save it",
        f"leaklab hint {name}      the next of {len(scenario.hints)} hints",
    ]
    told = "\n\n".join(textwrap.fill(text.strip(), WIDTH) for text in paragraphs)
    return told + "\n\n" + "\n".join(f"    {line}" for line in commands) + "\n"


def record_attempt(found: LocatedExercise, now: datetime, *, fixed: bool) -> Exercise | None:
    """Count an attempt; if it was fixed, say since when. None if the file is no exercise of its folder."""
    if found.exercise is None:
        return None
    solved = _stamp(now) if fixed else None

    def count(old: Exercise | None) -> Exercise:
        known = old or _known(found)
        return replace(known, attempts=known.attempts + 1, solved=known.solved or solved)

    return update(found.file.parent, found.file.name, count)


def next_hint(found: LocatedExercise, hints: tuple[str, ...]) -> int:
    """Count one more hint as shown, and return how many are by now.

    Raises:
        UsageError: the scenario has none.
    """
    exercise = _known(found)
    if not hints:
        raise UsageError(f"{exercise.scenario} has no hints: `leaklab show {exercise.scenario}` explains it")

    def count(old: Exercise | None) -> Exercise:
        known = old or exercise
        return replace(known, hints=min(known.hints + 1, len(hints)))

    return update(found.file.parent, found.file.name, count).hints


def reset(found: LocatedExercise, entry: Entry, now: datetime) -> Path | None:
    """Make the exercise what `start` made it, and return where the learner's file was kept; None if there was none."""
    exercise = _known(found)
    backup = _back_up(found.file)
    _write(found.file, exercise_text(entry))
    fresh = Exercise(scenario=exercise.scenario, started=_stamp(now), scenarios=exercise.scenarios)
    update(found.file.parent, found.file.name, lambda _: fresh)
    return backup


def _back_up(file: Path) -> Path | None:
    """Copy `file` to a name beside it that is still free."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    number = 1
    while True:
        backup = file.with_name(f"{file.name}.{number}.bak")
        try:
            with backup.open("xb") as copy:
                copy.write(data)
                copy.flush()
                os.fsync(copy.fileno())
        except FileExistsError:
            number += 1
        except OSError as error:
            raise UsageError(f"{backup} cannot be written: {error.strerror}. {file} stays as it is.") from error
        else:
            return backup


def known_exercises(folder: Path) -> Mapping[str, Exercise]:
    """The exercises of a folder that must have some.

    Raises:
        UsageError: there is no such folder, or it has none.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}")
    exercises = load(folder)
    if not exercises:
        raise UsageError(f"there is no exercise in {_called(folder)}: `leaklab start NAME` makes one")
    return exercises


def _known(found: LocatedExercise) -> Exercise:
    if found.exercise is None:
        raise UsageError(
            f"{found.file} is no exercise of its folder ({STATE} does not name it): `leaklab start NAME` makes one"
        )
    return found.exercise


def _stamp(now: datetime) -> str:
    return now.astimezone().isoformat(timespec="seconds")
