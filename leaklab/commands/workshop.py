"""`start`, `check`, `hint`, `solution`, `watch`, `progress`, `reset`: from an exercise to a fix that was measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaklab.commands import given, output
from leaklab.commands.options import (
    Dead,
    Deadline,
    DescriptorLimit,
    Hang,
    Json,
    LearnersTimeLimit,
    MemoryLimit,
    Mongo,
    Name,
    OutputLimit,
    Repeat,
    ScenarioName,
    Scenarios,
    Size,
    Steps,
    ThreadLimit,
)
from leaklab.errors import ExitCode, LeaklabError, UsageError
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S
from leaklab.units import as_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from leaklab.content.catalog import Entry
    from leaklab.lab.pair import RunOptions
    from leaklab.workshop.check_result import CheckResult
    from leaklab.workshop.exercises import LocatedExercise
    from leaklab.workshop.progress_file import Exercise


File = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The exercise; may be left out where the folder has exactly one."),
]
Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder of the exercises.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Show it before the exercise is solved.")]
Poll = Annotated[
    bool, typer.Option("--poll", help="Look at the folder again and again, where saving a file is not noticed.")
]

KEYS = "h hint · s solution · c check again · q quit"


def start(name: Name, directory: Folder = Path(), scenarios: Scenarios = None) -> None:
    """Write an exercise: the leaky half as a file of your own, with the task at its top."""
    from rich.text import Text

    from leaklab.content.catalog import Catalog
    from leaklab.workshop import exercises as workshop

    entry = Catalog(scenarios).get(name)
    path, written = workshop.start(entry, directory, _now(), scenarios)
    done = "is there: the task is at its top." if written else "was there already: it stays as it is."
    output.show(
        Text(
            f"{path} {done}\nEdit it with whatever you like, and measure it:\n"
            f"  leaklab check {as_argument(path)}      once\n"
            f"  leaklab watch {as_argument(path)}      each time you save it"
        )
    )


def check(
    file: File = None,
    scenario: ScenarioName = None,
    steps: Steps = None,
    size: Size = None,
    hang: Hang = None,
    deadline: Deadline = None,
    dead: Dead = None,
    repeat: Repeat = 1,
    time_limit: LearnersTimeLimit = LEARNERS_TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    thread_limit: ThreadLimit = None,
    descriptor_limit: DescriptorLimit = None,
    output_limit: OutputLimit = None,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    as_json: Json = False,
) -> None:
    """Measure your file beside the leaky and the fixed half, and say whether it is fixed."""
    task = _task(file, scenario, scenarios)
    limits = given.limits(time_limit, memory_limit, thread_limit, descriptor_limit, output_limit)
    options = given.options(limits, repeat, mongo)
    found = _measure(task, options, given.wanted(steps, size, hang, deadline, dead))
    exercise = _record(task, found)
    if as_json:
        from leaklab.reports.check_report import check_document

        output.show_json(check_document(found, exercise))
    else:
        from leaklab.reports.check_report import check_report

        output.show(check_report(found, task.found.file, exercise))
    _exit_for(found)


def hint(file: File = None) -> None:
    """Show the next hint for an exercise."""
    task = _task(file, None, None)
    _show_hint(task, output.console())


def solution(file: File = None, anyway: Anyway = False) -> None:
    """Show the fixed half and how it differs from your file, once that is fixed."""
    task = _task(file, None, None)
    if not anyway and (task.found.exercise is None or task.found.exercise.solved is None):
        raise UsageError(
            f"{task.found.file} is not solved yet: `leaklab hint {as_argument(task.found.file)}` helps on, and "
            f"`leaklab solution {as_argument(task.found.file)} --anyway` shows the solution all the same"
        )
    _show_solution(task, output.console())


def progress(directory: Folder = Path()) -> None:
    """Show how far the exercises of a folder have come."""
    from leaklab.reports.check_report import progress_report
    from leaklab.workshop import exercises as workshop

    output.show(progress_report(workshop.known_exercises(directory)))


def reset(file: Annotated[Path, typer.Argument(metavar="FILE", help="The exercise.")]) -> None:
    """Begin an exercise anew: the leaky half is put back, and your file is kept beside it."""
    from rich.text import Text

    from leaklab.workshop import exercises as workshop

    task = _task(file, None, None, must_exist=False)
    backup = workshop.reset(task.found, task.entry, _now())
    kept = "there was no file to keep" if backup is None else f"what you had is in {backup}"
    output.show(Text(f"{task.found.file} is the leaky half again; {kept}."))


def watch(
    file: File = None,
    scenario: ScenarioName = None,
    poll: Poll = False,
    time_limit: LearnersTimeLimit = LEARNERS_TIME_LIMIT_S,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
) -> None:
    """Check your file each time it is saved, until you press q or Ctrl-C."""
    from leaklab.system.interrupts import Owner
    from leaklab.workshop.watching import HUNG_UP, SAVED, Keys, events

    task = _task(file, scenario, scenarios)
    with Owner() as owner:
        keys = owner.enter_context(Keys())
        screen = _Screen(task, given.options(given.limits(time_limit), 1, mongo), has_keys=keys.there)
        for event in events(task.found.file, keys, poll=poll):
            if event in ("q", HUNG_UP):
                return
            if event == SAVED:
                screen.check_if_changed()
            elif event == "c":
                screen.check()
            elif event == "h":
                screen.hint()
            elif event == "s":
                screen.solution()


@dataclass(slots=True)
class _Task:
    """An exercise and its scenario."""

    found: LocatedExercise
    entry: Entry


def _task(file: Path | None, scenario: str | None, scenarios: Path | None, *, must_exist: bool = True) -> _Task:
    """The exercise that is meant, and its scenario: as the progress file says, or `--scenario`."""
    from leaklab.content.catalog import Catalog
    from leaklab.workshop import exercises as workshop
    from leaklab.workshop.progress_file import ProgressFileError

    try:
        found = workshop.find(file)
    except ProgressFileError as error:
        # Whoever says which scenario it is needs no progress file; that it is broken is said all the same.
        if scenario is None or file is None or file.is_dir():
            raise
        output.complain(str(error))
        found = workshop.LocatedExercise(file, None)
    if must_exist and not found.file.exists():
        again = f"leaklab reset {as_argument(found.file)}"
        raise UsageError(f"{found.file} is gone: `{again}` puts the leaky half there again")
    if scenario is None and found.exercise is None:
        raise UsageError(
            f"{found.file} is no exercise of its folder: say what it is to fix with --scenario NAME, "
            "or begin with `leaklab start NAME`"
        )
    name = scenario or (found.exercise.scenario if found.exercise else "")
    if scenarios is None and found.scenarios is not None and not found.scenarios.is_dir():
        raise UsageError(
            f"{found.file} was started from the scenarios in {found.scenarios}, and there is no such folder any more: "
            "say where they are with --scenarios DIR"
        )
    entry = Catalog(scenarios or found.scenarios).get(name)
    if found.exercise is not None and found.exercise.scenario != entry.id:
        found = workshop.LocatedExercise(found.file, None)
    return _Task(found, entry)


def _measure(task: _Task, options: RunOptions, wanted: Mapping[str, Any]) -> CheckResult:
    from leaklab.workshop.checking import check as check_one
    from leaklab.workshop.checking import learners_settings

    settings = learners_settings(task.entry.scenario).changed(task.entry.id, wanted)
    with output.progress_bar(task.entry.id, settings.steps, options.repeat) as shown:
        return check_one(task.entry, task.found.file, replace(options, progress=shown), settings)


def _record(task: _Task, found: CheckResult) -> Exercise | None:
    """Count the attempt. That it cannot be counted is said, and the check holds all the same."""
    from leaklab.workshop import exercises as workshop
    from leaklab.workshop.check_result import CheckState

    if found.state is CheckState.INTERRUPTED:
        return task.found.exercise
    try:
        exercise = workshop.record_attempt(task.found, _now(), fixed=found.fixed)
    except LeaklabError as error:
        output.complain(str(error))
        return task.found.exercise
    task.found = replace(task.found, exercise=exercise)
    return exercise


def _show_hint(task: _Task, console: Console) -> None:
    from leaklab.reports.check_report import hints_report
    from leaklab.workshop import exercises as workshop

    hints = task.entry.scenario.hints
    output.show(hints_report(hints, workshop.next_hint(task.found, hints)), console)


def _show_solution(task: _Task, console: Console) -> None:
    from leaklab.reports.check_report import solution_report

    try:
        learners = task.found.file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{task.found.file} cannot be read: {error.strerror}") from error
    output.show(solution_report(learners, task.found.file.name, task.entry.source("fixed"), console), console)


class _Screen:
    """What `watch` shows: one check at a time, the keys below it."""

    def __init__(self, task: _Task, options: RunOptions, *, has_keys: bool) -> None:
        self._task = task
        self._options = options
        self._has_keys = has_keys
        self._console = output.console()
        self._checked: bytes | None = None

    def check_if_changed(self) -> None:
        """Check the file unless it is what was checked last: one save may be told twice."""
        try:
            saved = self._task.found.file.read_bytes()
        except OSError:
            # Between the two halves of saving by renaming there is no file. The other half is told too.
            return
        if saved != self._checked:
            self.check()

    def check(self) -> None:
        """Check the file, whether or not it changed."""
        from leaklab.reports.check_report import check_report
        from leaklab.workshop.check_result import CheckState

        self._clear()
        self._say(f"Measuring {self._task.found.file} …")
        try:
            self._checked = self._task.found.file.read_bytes()
            found = _measure(self._task, self._options, {})
        except OSError as error:
            output.complain(f"{self._task.found.file} cannot be read: {error.strerror}")
        except LeaklabError as error:
            output.complain(str(error))
        else:
            if found.state is CheckState.INTERRUPTED:
                raise KeyboardInterrupt
            # Cleared first: what recording complains of is to be seen.
            self._clear()
            exercise = _record(self._task, found)
            output.show(check_report(found, self._task.found.file, exercise), self._console)
        self._say_keys()

    def hint(self) -> None:
        """Show one more hint below the check."""
        self._try(_show_hint)

    def solution(self) -> None:
        """Show the solution, if it was found."""
        exercise = self._task.found.exercise
        if exercise is None or exercise.solved is None:
            self._say("The solution is shown when it is solved; h has a hint.")
        else:
            self._try(_show_solution)

    def _try(self, what: Callable[[_Task, Console], None]) -> None:
        self._say("")
        try:
            what(self._task, self._console)
        except LeaklabError as error:
            output.complain(str(error))
        self._say_keys()

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._console.clear()

    def _say_keys(self) -> None:
        file = self._task.found.file
        self._say(f"\nWatching {file}: {KEYS}" if self._has_keys else f"\nWatching {file}: Ctrl-C ends it")

    def _say(self, words: str) -> None:
        from rich.text import Text

        output.show(Text(words, style="dim"), self._console)


def _exit_for(found: CheckResult) -> None:
    """Leave with the exit code that the check asks for, if it asks for one."""
    from leaklab.workshop.check_result import CheckState

    codes = {
        CheckState.FIXED: ExitCode.DONE,
        CheckState.TIMED_OUT: ExitCode.TIME_LIMIT,
        CheckState.INTERRUPTED: ExitCode.INTERRUPTED,
    }
    code = codes.get(found.state, ExitCode.NOT_AS_EXPECTED)
    if code is not ExitCode.DONE:
        raise typer.Exit(code)


def _now() -> datetime:
    return datetime.now(UTC)
