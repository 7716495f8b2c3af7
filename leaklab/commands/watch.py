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

    how = parsing.run_options(limit, "1", mongo, LEARNERS_TIME_LIMIT_S)
    task = locate(file, scenario, scenarios)
    with Owner() as owner:
        keys = owner.enter_context(Keys())
        screen = WatchScreen(task, how, KEYS if keys.there else "press Ctrl-C to quit")
        does = {SAVED: screen.check_if_changed, "c": screen.check, "h": screen.hint, "s": screen.solution}
        for event in events(task.file, keys, poll=poll):
            if event in ("q", HUNG_UP):
                return
            does.get(event, lambda: None)()


class WatchScreen:
    """What `watch` shows: one check at a time, the keys below it."""

    def __init__(self, task: Task, how: RunOptions, keys: str) -> None:
        self._task = task
        self._how = how
        self._keys = keys
        self._console = output.console()
        self._checked: bytes | None = None

    def check_if_changed(self) -> None:
        """Check the file unless it is what was checked last: one save may be reported twice."""
        saved = self._saved()
        # Between the two halves of saving by renaming there is no file. The other half is reported too.
        if saved is not None and saved != self._checked:
            self.check()

    def check(self) -> None:
        """Check the file, whether or not it changed."""
        self._clear()
        self._say(f"Measuring {self._task.file} …")
        self._checked = self._saved()
        self._show(self._measure)

    def hint(self) -> None:
        """Show one more hint below the check."""
        self._say("")
        self._show(lambda: self._task.show_hint(self._console, "Press h again"))

    def solution(self) -> None:
        """Show the solution, if the exercise is solved."""
        if self._task.is_solved:
            self._say("")
            self._show(lambda: self._task.show_solution(self._console))
        else:
            self._say("Solve the exercise to see the solution; press h for a hint.")

    def _saved(self) -> bytes | None:
        try:
            return self._task.file.read_bytes()
        except OSError:
            return None

    def _measure(self) -> None:
        from leaklab.reports.check_report import check_report
        from leaklab.workshop.check_result import CheckState

        checked = self._task.measure(self._how)
        if checked.state is CheckState.INTERRUPTED:
            raise KeyboardInterrupt
        # Cleared first: what recording complains of is to be seen.
        self._clear()
        self._console.print(check_report(checked, self._task.file, self._task.record(checked)))

    def _show(self, show: Callable[[], None]) -> None:
        """Show something or why it cannot be shown, and the keys below it."""
        try:
            show()
        except LeaklabError as error:
            output.complain(str(error))
        self._say(f"\nWatching {self._task.file}: {self._keys}")

    def _clear(self) -> None:
        if self._console.is_terminal:
            self._console.clear()

    def _say(self, words: str) -> None:
        self._console.print(words, style="dim", markup=False)
