"""A progress bar per half while it runs, on a terminal only."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from leaklab.lab.result import half_label
from leaklab.measure.sampler import TraceListener

REDRAWS_A_SECOND = 8


class ProgressBars(Progress, TraceListener):
    """Shows how many steps each half has done. A context manager; on exit the bars disappear from the screen."""

    def __init__(self, console: Console, label: str, steps: int | None, repeat: int) -> None:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        super().__init__(*columns, console=console, transient=True, refresh_per_second=REDRAWS_A_SECOND)
        self._total = None if steps is None else steps * repeat
        self._label = label
        self._bars: dict[str, TaskID] = {}
        self._finished: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def stepped(self, half: str, done: int) -> None:
        """Show that `half` has done this many steps of its current run."""
        if half not in self._bars:
            self._bars[half] = self.add_task(f"{self._label} {half_label(half)}", total=self._total)
        last = self._last.get(half, 0)
        if done < last:
            # The next of several runs has started.
            self._finished[half] = self._finished.get(half, 0) + last
        if done != last:
            self._last[half] = done
            self.update(self._bars[half], completed=self._finished.get(half, 0) + done)
