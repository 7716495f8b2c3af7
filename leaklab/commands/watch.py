"""`watch`: a learner's file is measured each time it is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import options, output, parsing
from leaklab.commands.task import Task, locate
from leaklab.errors import LeaklabError
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S

if TYPE_CHECKING:
    from rich.console import Console

    from leaklab.lab.pair import RunOptions

Poll = Annotated[bool, typer.Option("--poll", help="Poll for changes, for drives that do not report saves.")]

KEYS = "h hint · s solution · c check again · q quit"


def command(
    file: options.File = None,
    scenario: options.ScenarioName = None,
    poll: Poll = False,
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
) -> None:
    """Check your file each time you save it, until you press q."""
    from leaklab.system.interrupts import Owner
    from leaklab.workshop.watching import HUNG_UP, SAVED, Keys, events

    how = parsing.run_options(limit, 1, mongo, LEARNERS_TIME_LIMIT_S)
    task = locate(file, scenario, scenarios)
    with Owner() as owner:
        keys = owner.enter_context(Keys())
        screen = WatchScreen(task, how, has_keys=keys.there)
        does = {SAVED: screen.check_if_changed, "c": screen.check, "h": screen.hint, "s": screen.solution}
        for event in events(task.file, keys, poll=poll):
            if event in ("q", HUNG_UP):
                return
            does.get(event, lambda: None)()


class WatchScreen:
    """What `watch` shows: one check at a time, the keys below it."""

    def __init__(self, task: Task, how: RunOptions, *, has_keys: bool) -> None:
        self._task = task
        self._how = how
        self._has_keys = has_keys
        self._console = output.console()
        self._checked: bytes | None = None

    def check_if_changed(self) -> None:
        """Check the file unless it is what was checked last: one save may be told twice."""
        try:
            saved = self._task.file.read_bytes()
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
        self._say(f"Measuring {self._task.file} …")
        try:
            self._checked = self._task.file.read_bytes()
            checked = self._task.measure(self._how)
        except OSError as error:
            output.complain(f"{self._task.file} cannot be read: {error.strerror}")
        except LeaklabError as error:
            output.complain(str(error))
        else:
            if checked.state is CheckState.INTERRUPTED:
                raise KeyboardInterrupt
            # Cleared first: what recording complains of is to be seen.
            self._clear()
            exercise = self._task.record(checked)
            output.show(check_report(checked, self._task.file, exercise), self._console)
        self._say_keys()

    def hint(self) -> None:
        """Show one more hint below the check."""
        self._try(self._task.show_hint)

    def solution(self) -> None:
        """Show the solution, if it was found."""
        if self._task.is_solved:
            self._try(self._task.show_solution)
        else:
            self._say("The solution is shown when it is solved; h has a hint.")

    def _try(self, show: Callable[[Console], None]) -> None:
        self._say("")
        try:
            show(self._console)
        except LeaklabError as error:
            output.complain(str(error))
        self._say_keys()

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._console.clear()

    def _say_keys(self) -> None:
        self._say(f"\nWatching {self._task.file}: {KEYS if self._has_keys else 'Ctrl-C ends it'}")

    def _say(self, words: str) -> None:
        from rich.text import Text

        output.show(Text(words, style="dim"), self._console)
