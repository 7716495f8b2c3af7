"""`watch`: a learner's file is measured each time it is saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from leaklab.commands import options, output
from leaklab.commands.task import Task, locate
from leaklab.errors import LeaklabError
from leaklab.system.files import read_regular
from leaklab.system.interrupts import Owner
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S

if TYPE_CHECKING:
    from rich.console import Console

    from leaklab.lab.pair import RunOptions

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
    from leaklab.workshop.watching import HUNG_UP, SAVED, Keys, events

    how = options.run_options(limit, "1", mongo, LEARNERS_TIME_LIMIT_S, explain=not no_explain)
    task = locate(file, scenario, scenarios)
    with Owner() as owner:
        keys = owner.enter_context(Keys())
        legend = "h hint · s solution · c check again · q quit" if keys.there else "press Ctrl-C to quit"
        screen = WatchScreen(task, how, legend, output.console())
        does = {SAVED: lambda: screen.check(again=False), "c": screen.check, "h": screen.hint, "s": screen.solution}
        for event in events(task.file, keys, poll=poll):
            if event in ("q", HUNG_UP):
                return
            does.get(event, lambda: None)()


@dataclass(slots=True)
class WatchScreen:
    """What `watch` shows: one check at a time, the keys below it."""

    task: Task
    how: RunOptions
    legend: str
    console: Console
    checked: bytes | None = None

    def check(self, *, again: bool = True) -> None:
        """Check the file; unless `again`, only if it is not what was checked last: one save may be reported twice."""
        try:
            saved = read_regular(self.task.file)
        except OSError:
            # Between the two halves of saving by renaming there is no file. The other half is reported too.
            saved = None
        if not again and saved in (None, self.checked):
            return
        self.checked = saved
        self.console.clear()
        self._say(f"Measuring {self.task.file} …")
        self._show(self._measure)

    def hint(self) -> None:
        """Show one more hint below the check."""
        self._say("")
        self._show(lambda: self.task.show_hint(self.console, "Press h again"))

    def solution(self) -> None:
        """Show the solution, if the exercise is solved."""
        if self.task.is_solved:
            self._say("")
            self._show(lambda: self.task.show_solution(self.console))
        else:
            self._say("Solve the exercise to see the solution; press h for a hint.")

    def _measure(self) -> None:
        from leaklab.reports.check_report import check_report
        from leaklab.workshop.check_result import CheckState

        checked = self.task.measure(self.how)
        if checked.state is CheckState.INTERRUPTED:
            raise KeyboardInterrupt
        # Cleared first: what recording complains of is to be seen.
        self.console.clear()
        self.console.print(check_report(checked, self.task.file, self.task.record(checked)))

    def _show(self, show: Callable[[], None]) -> None:
        """Show something or why it cannot be shown, and the keys below it."""
        try:
            show()
        except LeaklabError as error:
            output.complain(str(error))
        self._say(f"\nWatching {self.task.file}: {self.legend}")

    def _say(self, words: str) -> None:
        self.console.print(words, style="dim", markup=False)
