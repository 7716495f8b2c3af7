"""`watch`: a learner's file is measured each time it is saved."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import options, output
from leaklab.commands.task import Task, kept, locate
from leaklab.errors import LeaklabError
from leaklab.system.interrupts import Owner, held_back
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S

if TYPE_CHECKING:
    from rich.console import Console

    from leaklab.content.catalog import Entry
    from leaklab.lab.run_options import RunOptions
    from leaklab.workshop.session import Session

Poll = Annotated[bool, typer.Option("--poll", help="Poll for changes, for drives that do not report saves.")]


def command(
    file: options.File = None,
    scenario: options.ScenarioName = None,
    poll: Poll = False,
    no_explain: options.NoExplain = False,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
) -> None:
    """Check your file each time you save it, until you press q."""
    from leaklab.workshop.session import Session
    from leaklab.workshop.watching import HUNG_UP, SAVED, Keys, events

    # It goes on for hours.
    gc.enable()
    how = options.run_options(limit, "1", mongo, LEARNERS_TIME_LIMIT_S, explain=not no_explain)
    task = locate(file, scenario, scenarios)
    with Owner() as owner:
        session = owner.enter_context(Session())
        keys = owner.enter_context(Keys())
        screen = WatchScreen(task, how, session, scenarios, output.console(), keys.there)
        does = {
            SAVED: lambda: screen.check(again=False),
            "c": screen.check,
            "h": screen.hint,
            "s": screen.solution,
            "n": screen.go_on,
        }
        for event in events(lambda: screen.task.file, keys, poll=poll):
            if event in ("q", HUNG_UP):
                return
            does.get(event, lambda: None)()


@dataclass(slots=True)
class WatchScreen:
    """What `watch` shows: one check at a time, the keys below it.

    `ahead` says whether there is a next exercise to go on with, `opened` which one was opened just now.
    """

    task: Task
    how: RunOptions
    session: Session
    scenarios: Path | None
    console: Console
    has_keys: bool
    checked: bytes | None = None
    course: Sequence[Entry] = ()
    ahead: bool = False
    opened: str = ""

    @property
    def legend(self) -> str:
        """What can be pressed now."""
        if not self.has_keys:
            return "press Ctrl-C to quit"
        more = " · s solution" if self.task.is_solved else ""
        return f"h hint{more}{' · n next' if self.ahead else ''} · c check · q quit"

    def check(self, *, again: bool = True) -> None:
        """Check the file; unless `again`, only if it is not what was checked last: one save may be reported twice."""
        # Between the two halves of a save there is no file, or nothing in it. The other half is reported too.
        saved = self.task.content()
        if again:
            self.session.forget()
        elif saved in (None, b"", self.checked):
            return
        self.checked = saved
        self.console.clear()
        self._say(f"Measuring {self.task.file} …")
        self._show(self._measure)
        self.opened = ""
        # The answer is on the screen: there is time for this now.
        self.task.make_ready(self.how, self.session)
        if self.has_keys:
            with contextlib.suppress(LeaklabError):
                self._find_course()

    def hint(self) -> None:
        """Show one more hint below the check."""
        self._say("")
        self._show(lambda: self.task.show_hint(self.console, "Press h again"))

    def solution(self) -> None:
        """Show the solution, if the exercise is solved."""
        if self.task.is_solved:
            self._say("")
            self._show(lambda: output.show_pages(self.console, [self.task.solution(self.console)]))
        else:
            self._say("Solve the exercise to see the solution; press h for a hint.")

    def go_on(self) -> None:
        """Open the next exercise of the folder, if there is one; from here on its file is watched."""
        from leaklab.workshop.course import open_next

        if not self.ahead:
            self._say("That was the last exercise." if self.task.is_solved else "Solve this exercise first.")
            return
        folder = self.task.file.parent
        try:
            opened = open_next(self.course, folder, datetime.now(UTC), self.scenarios)
            if opened is None:
                return
            ahead, written = opened
            self.task = locate(folder / ahead.name, scenarios=self.scenarios)
        except LeaklabError as error:
            output.complain(str(error))
            return
        self.checked, self.ahead = None, False
        self.opened = f"Exercise {ahead.place} of {ahead.length}: open {self.task.file} in your editor."
        if not ahead.started and not written:
            self.opened += f" {kept(self.task.file)}"

    def _measure(self) -> None:
        from leaklab.reports.check_report import check_report
        from leaklab.workshop.check_result import CheckState

        saved = self.checked
        checked = self.task.measure(self.how, session=self.session)
        if checked.state is CheckState.INTERRUPTED:
            raise KeyboardInterrupt
        if self.how.explain and checked.is_explicable:
            if self.console.is_terminal:
                # The verdict does not wait for the run that looks for the line.
                self.console.clear()
                self.console.print(check_report(checked, self.task.file))
                self._say("\nLooking for the line that it comes from …")
            checked = self.task.explain(checked, self.how, self.session)
        # Cleared first: what recording complains of is to be seen.
        self.console.clear()
        exercise = self.task.record(checked)
        self.task.note_evidence(checked, saved)
        self._look_ahead()
        self.console.print(check_report(checked, self.task.file, exercise, self._keys(fixed=checked.fixed)))

    def _keys(self, *, fixed: bool) -> str:
        """A sentence about the keys to press next; empty without a keyboard."""
        if not self.has_keys:
            return ""
        if not fixed:
            return "Stuck? Press h for a hint."
        last = "n for the next exercise" if self.ahead else "q to end: this was the last exercise"
        return f"Press s to compare it with our solution, {last}."

    def _look_ahead(self) -> None:
        """Find out whether there is an exercise to go on with."""
        from leaklab.workshop.course import next_exercise
        from leaklab.workshop.progress_file import load

        self.ahead = False
        if self.has_keys and self.task.is_solved:
            with contextlib.suppress(LeaklabError):
                self.ahead = next_exercise(self._find_course(), load(self.task.file.parent)) is not None

    def _find_course(self) -> Sequence[Entry]:
        """The scenarios in the order of the course; they are looked for once."""
        from leaklab.content.catalog import Catalog

        # Classes come and go by the hundred there, and Python drops what is raised while it collects one.
        with held_back():
            self.course = self.course or Catalog(self.scenarios).select([], self.task.entry.language)
        return self.course

    def _show(self, show: Callable[[], None]) -> None:
        """Show something or why it cannot be shown, and the keys below it."""
        try:
            show()
        except LeaklabError as error:
            output.complain(str(error))
        self._say(f"{self.opened}\nWatching {self.task.file}: {self.legend}")

    def _say(self, words: str) -> None:
        self.console.print(words, style="dim", markup=False)
