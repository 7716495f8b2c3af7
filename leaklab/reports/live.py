"""What each half has open while it runs, on a terminal only."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from leaklab.lab.result import half_label
from leaklab.measure.run_trace import Sample
from leaklab.measure.sampler import TraceListener
from leaklab.metrics import METRICS, Judge, Metric
from leaklab.reports.series import SPARKLINE, scale, sparkline

REDRAWS_A_SECOND = 8


class LiveCounts(TraceListener):
    """Shows what the lab is doing, and below that the telling counts of each half as they grow.

    A context manager; on exit all of it disappears from the screen.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.follow("", ())
        self._live = Live(
            console=console, get_renderable=self._shown, transient=True, refresh_per_second=REDRAWS_A_SECOND
        )

    def follow(
        self, label: str, telling: Sequence[str], steps: int | None = None, above: RenderableType | None = None
    ) -> None:
        """Show another scenario from now on.

        Args:
            label: the scenario.
            telling: the names of the metrics.
            steps: how many steps a half has to do; None where its work has none.
            above: what is shown above, such as the results so far.
        """
        self._steps = f" of {steps:,}" if steps is not None else ""
        self._label = label
        self._telling = [METRICS[name] for name in telling]
        # Rendered once: drawing it anew eight times a second would take a tenth of a processor from what is measured.
        self._above: list[RenderableType] = [] if above is None else [Segments(self._console.render(above)), ""]
        self._halves: dict[str, _Counted] = {}
        self._doing = "starting"

    def __enter__(self) -> "LiveCounts":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begins(self, words: str) -> None:
        """Show what the lab does from now on."""
        self._doing = words

    def stepped(self, half: str, done: int) -> None:
        """Show that `half` has done this many steps of its current run."""
        counted = self._halves.get(half)
        if counted is None or done < counted.done:
            counted = self._halves[half] = _Counted()
        counted.done = done

    def sampled(self, half: str, sample: Sample) -> None:
        """Show what was counted of `half`."""
        self._halves.setdefault(half, _Counted()).samples.append(sample)

    def _shown(self) -> RenderableType:
        table = Table.grid(padding=(0, 2, 0, 0))
        halves = dict(self._halves)
        columns = [_cells(metric, list(halves.values())) for metric in self._telling]
        for index, (half, counted) in enumerate(halves.items()):
            steps = f"{counted.done:,}{self._steps} steps" if counted.done else ""
            table.add_row(half_label(half), steps, *(column[index] for column in columns))
        doing = Text.assemble((self._label, "bold"), f"  {self._doing} …")
        return Group(*self._above, doing, table)


class _Counted:
    """One half: its samples, and the steps that it has done."""

    def __init__(self) -> None:
        self.done = 0
        self.samples: list[Sample] = []


def _cells(metric: Metric, halves: Sequence[_Counted]) -> list[Text]:
    """A metric of each half: `sockets 37 ▁▃▅`, all pictures on one scale; the seconds of a metric that is timed."""
    # Copies: the samples come in another thread than this is drawn in.
    samples = [list(counted.samples) for counted in halves]
    if metric.judge is Judge.DEADLINE:
        return [Text(f"{its[-1].at_s:.1f} s" if its else "") for its in samples]
    went = [[value for sample in its if (value := sample.get(metric.name)) is not None] for its in samples]
    lowest, highest = scale(metric, went)
    what = metric.singular if metric.unit == "bytes" else metric.plural
    return [
        Text(f"{what} {metric.format(values[-1])} {sparkline(values, lowest, highest, SPARKLINE)}" if values else "")
        for values in went
    ]
