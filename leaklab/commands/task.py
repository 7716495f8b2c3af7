"""What the workshop's commands do with an exercise: find it, measure it, count the attempt, show hint and solution."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.commands import options, output
from leaklab.errors import LeaklabError, UsageError
from leaklab.units import as_argument, printable

if TYPE_CHECKING:
    from rich.console import Console

    from leaklab.content.catalog import Entry
    from leaklab.lab.pair import RunOptions
    from leaklab.workshop.check_result import CheckResult
    from leaklab.workshop.exercises import LocatedExercise
    from leaklab.workshop.progress_file import Exercise


@dataclass(slots=True)
class Task:
    """An exercise and its scenario."""

    found: LocatedExercise
    entry: Entry

    @property
    def file(self) -> Path:
        """The learner's file."""
        return self.found.file

    @property
    def is_solved(self) -> bool:
        """Whether a check has found it fixed."""
        return self.found.exercise is not None and self.found.exercise.solved is not None

    def measure(self, how: RunOptions, given: Mapping[str, str] | None = None) -> CheckResult:
        """Check the file, with the learner's settings changed as `given` says. Raises as `workshop.checking.check`."""
        from leaklab.workshop.checking import check, learners_settings

        settings = options.settings_from_options(self.entry.id, learners_settings(self.entry.scenario), given or {})
        with output.live_counts(how, self.entry.id, self.entry.scenario.telling) as watched:
            return check(self.entry, self.file, watched, settings)

    def record(self, checked: CheckResult) -> Exercise | None:
        """Count the attempt. If it cannot be counted, a line says so; the check is shown either way."""
        from leaklab.workshop import exercises

        try:
            exercise = exercises.record_attempt(self.found, datetime.now(UTC), fixed=checked.fixed)
            self.found = replace(self.found, exercise=exercise)
        except LeaklabError as error:
            output.complain(str(error))
        return self.found.exercise

    def show_hint(self, console: Console, how_to_go_on: str = "Run it again") -> None:
        """Show the next hint, and how to see the one after it. Raises UsageError if the scenario has none."""
        from leaklab.reports.check_report import hints_report
        from leaklab.workshop import exercises

        hints = self.entry.scenario.hints
        console.print(hints_report(hints, exercises.next_hint(self.found, hints), how_to_go_on))

    def show_solution(self, console: Console) -> None:
        """Show the fixed half beside the learner's file. Raises UsageError if that cannot be read."""
        from leaklab.measure.source_line import decoded
        from leaklab.reports.check_report import solution_report
        from leaklab.system.files import read_regular

        try:
            text = decoded(read_regular(self.file))
        except OSError as error:
            raise UsageError(f"{self.file} cannot be read: {error.strerror}. Move it away, then try again.") from error
        fixed, release = self.entry.source("fixed"), self.entry.scenario.release
        console.print(solution_report(text, self.file.name, fixed, release, console))


def locate(
    file: Path | None, scenario: str | None = None, scenarios: Path | None = None, *, must_exist: bool = True
) -> Task:
    """The exercise that is meant, and its scenario: as the progress file says, or `--scenario`.

    Raises UsageError if there is no such exercise, file or scenario, and ProgressFileError if the progress file is
    broken and nothing else says which scenario it is.
    """
    from leaklab.content.catalog import Catalog
    from leaklab.workshop import exercises
    from leaklab.workshop.progress_file import ProgressFileError

    try:
        found = exercises.find(file)
    except ProgressFileError as error:
        # With --scenario the progress file is not needed; a line says that it is broken.
        if scenario is None or file is None or file.is_dir():
            raise
        output.complain(str(error))
        found = exercises.LocatedExercise(file, None)
    if must_exist and not os.path.lexists(found.file):
        raise UsageError(f"{found.file} is gone: `leaklab reset {as_argument(found.file)}` restores the leaky half")
    name = scenario
    if name is None and found.exercise is not None:
        name = found.exercise.scenario
    if name is None:
        raise UsageError(
            f"{found.file} is not an exercise of its folder: name its scenario with --scenario NAME, "
            "or begin with `leaklab start NAME`"
        )
    if scenarios is None and found.scenarios is not None:
        began = f"{found.file} was started from the scenarios in {printable(str(found.scenarios))}"
        if not os.path.isdir(found.scenarios):  # noqa: PTH112 # it raises nothing
            raise UsageError(f"{began}, and that folder is gone: name it with --scenarios DIR")
        raise UsageError(
            f"{began}. Nothing there is run unless you name it: add --scenarios {as_argument(found.scenarios)} "
            "if you know what it holds"
        )
    entry = Catalog(scenarios).get(name)
    if found.exercise is not None and found.exercise.scenario != entry.id:
        found = exercises.LocatedExercise(found.file, None)
    return Task(found, entry)
