"""What the workshop's commands do with an exercise: find it, measure it, count the attempt, show hint and solution."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.commands import options, output
from leaklab.content.languages import language_of
from leaklab.errors import LeaklabError, UsageError
from leaklab.units import as_argument, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from leaklab.content.catalog import Catalog, Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.run_options import RunOptions
    from leaklab.workshop.check_result import CheckResult
    from leaklab.workshop.exercises import LocatedExercise
    from leaklab.workshop.progress_file import Exercise
    from leaklab.workshop.session import Session


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

    def measure(
        self, how: RunOptions, given: Mapping[str, str] | None = None, session: Session | None = None
    ) -> CheckResult:
        """Check the file, with the learner's settings changed as `given` says. Raises as `workshop.checking.check`.

        In a `session`, that is its check, without evidence.
        """
        from leaklab.workshop.checking import check

        options.built([self.entry])
        settings = self._settings(given)
        measures = check if session is None else session.check
        with output.live_counts(how, self.entry.id, self.entry.scenario.telling, settings.steps) as watched:
            return measures(self.entry, self.file, watched, settings)

    def explain(self, checked: CheckResult, how: RunOptions, session: Session) -> CheckResult:
        """The same check with its evidence. Raises as `Session.explain`."""
        return session.explain(checked, self.entry, how)

    def make_ready(self, how: RunOptions, session: Session) -> None:
        """Have what the next check in this session will need at hand."""
        session.make_ready(self.entry, self.file, how, self._settings())

    def _settings(self, given: Mapping[str, str] | None = None) -> Settings:
        from leaklab.workshop.checking import learners_settings

        return options.settings_from_options(self.entry.id, learners_settings(self.entry.scenario), given or {})

    def content(self) -> bytes | None:
        """The content of the file now; None if it cannot be read."""
        from leaklab.system.files import read_regular

        try:
            return read_regular(self.file)
        except OSError:
            return None

    def record(self, checked: CheckResult) -> Exercise | None:
        """Count the attempt. If it cannot be counted, a line says so; the check is shown either way."""
        from leaklab.workshop import exercises

        return self._record(lambda: exercises.record_attempt(self.found, datetime.now(UTC), fixed=checked.fixed))

    def note_evidence(self, checked: CheckResult, content: bytes | None) -> None:
        """Keep the line that a check of this content found, for the hints, unless the file was changed meanwhile."""
        from leaklab.workshop import exercises
        from leaklab.workshop.found_line import found_line
        from leaklab.workshop.progress_file import EvidenceNote, digest

        words = found_line(checked)
        if words and content is not None and content == self.content():
            note = EvidenceNote(digest(content), words)
            self._record(lambda: exercises.note_evidence(self.found, note))

    def _record(self, change: Callable[[], Exercise | None]) -> Exercise | None:
        try:
            self.found = replace(self.found, exercise=change())
        except LeaklabError as error:
            output.complain(str(error))
        return self.found.exercise

    def show_hint(self, console: Console, how_to_go_on: str = "Run it again") -> None:
        """Show the next hint, and how to see the one after it. Raises UsageError if the scenario has none."""
        from leaklab.reports.check_report import hints_report
        from leaklab.workshop import exercises

        hints, content = self.entry.scenario.hints, self.content()
        exercise, asked = exercises.next_hint(self.found, hints)
        seen = "" if content is None else exercises.evidence_for(exercise, content)
        output.show_pages(console, [hints_report(hints, asked, how_to_go_on, seen)])

    def solution(self, console: Console) -> RenderableType:
        """The fixed half beside the learner's file, for this console. Raises UsageError if the file cannot be read."""
        from leaklab.measure.source_line import decoded
        from leaklab.reports.check_report import solution_report
        from leaklab.system.files import read_regular

        try:
            text = decoded(read_regular(self.file))
        except OSError as error:
            raise UsageError(f"{self.file} cannot be read: {error.strerror}. Move it away, then try again.") from error
        fixed, release = self.entry.source("fixed"), self.entry.scenario.release
        return solution_report(text, self.file.name, fixed, release, console)


def locate(
    file: Path | None, scenario: str | None = None, scenarios: Path | None = None, *, must_exist: bool = True
) -> Task:
    """The exercise that is meant, and its scenario: as the progress file says, or `--scenario`.

    Of several in a folder, one is asked for at the terminal.

    Raises UsageError if there is no such exercise, file or scenario, and ProgressFileError if the progress file is
    broken and nothing else says which scenario it is.
    """
    from leaklab.content.catalog import Catalog
    from leaklab.workshop import exercises
    from leaklab.workshop.progress_file import ProgressFileError

    catalog = Catalog(scenarios)
    try:
        # What `reset` does is not done to an exercise that was not named.
        found = exercises.find(file, lambda known: _ask_which(catalog, known) if must_exist else None)
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
    entry = catalog.get(name, language_of(found.file))
    if found.exercise is not None and found.exercise.scenario != entry.id:
        found = exercises.LocatedExercise(found.file, None)
    return Task(found, entry)


def _ask_which(catalog: Catalog, known: Mapping[str, Exercise]) -> str | None:
    """Which of these exercises is meant, as it is answered at the terminal; None if there is no answer."""
    from leaklab.workshop.course import in_order, next_exercise

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    entries = catalog.select([])
    names, ahead = in_order(entries, known), next_exercise(entries, known)
    usual = names.index(ahead.name) + 1 if ahead is not None and ahead.name in known else None
    width = max(map(len, names))
    for number, name in enumerate(names, start=1):
        state = "not solved" if known[name].solved is None else "solved"
        output.say_aside(f"{number:>3}  {printable(name):<{width}}  {state}\n")
    prompt = "Which one? " if usual is None else f"Which one? [{usual}] "
    while (said := output.answer(prompt)) is not None:
        text = said.strip() or str(usual or "")
        if text in names:
            return text
        if text.isascii() and text.isdecimal() and 1 <= int(text) <= len(names):
            return names[int(text) - 1]
        output.say_aside(f"  Type a number from 1 to {len(names)}, or a name.\n")
    return None


def kept(file: Path) -> str:
    """The message where a file with the exercise's name is already there."""
    named = as_argument(file)
    return f"Kept {file}, which was there already. `leaklab reset {named}` puts the exercise there, and keeps a copy."


def how_to_measure(file: Path, scenarios: Path | None) -> str:
    """What to type to have an exercise measured."""
    named = as_argument(file)
    if scenarios is not None:
        named += f" --scenarios {as_argument(scenarios)}"
    return (
        "Edit it in any editor, then measure it:\n"
        f"  leaklab check {named}      once\n"
        f"  leaklab watch {named}      each time you save it\n"
    )
