"""How a metric went during a run, as points to draw: the picture beside each figure of a report."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from leaklab.measure.run_trace import Phase, Trace
from leaklab.metrics import Metric

T = TypeVar("T")

SPARKLINE = 8
"""Characters of a sparkline, where there is room."""

SPARKS = "▁▂▃▄▅▆▇█"
"""The heights of a sparkline, lowest first: eighths of a block."""


class Series(NamedTuple):
    """One metric of one run.

    Attributes:
        points: where, in steps done or in seconds since the start, and the value there, in the metric's unit.
        after: the value after `run` returned and garbage was collected; None if it was not read.
        unit: what `points` go by: `steps` or `seconds`.
    """

    points: tuple[tuple[float, float], ...]
    after: float | None
    unit: str

    @property
    def values(self) -> list[float]:
        """All values in order, that after return last."""
        return [value for _, value in self.points] + ([] if self.after is None else [self.after])


def series(trace: Trace, metric: str) -> Series:
    """How `metric` went: by steps, or by the clock where the work has no steps."""
    by_steps = trace.step_points(metric)
    after = trace.value(metric, Phase.COLLECTED)
    if len(by_steps) > 1:
        return Series(tuple(by_steps), after, "steps")
    at_times = [(sample.at_s, sample.get(metric)) for sample in trace.samples if sample.phase is not Phase.COLLECTED]
    return Series(tuple((at, value) for at, value in at_times if value is not None), after, "seconds")


def scale(metric: Metric, went: Iterable[Sequence[float]]) -> tuple[float, float]:
    """The lowest and the highest value of a picture of all these halves; what is below the floor looks flat."""
    values = [value for values in went for value in values]
    lowest = min(values, default=0.0)
    return lowest, max([lowest + metric.floor, *values])


def sparkline(values: Sequence[float], lowest: float, highest: float, width: int) -> str:
    """At most `width` characters: the height of each stretch of `values` between `lowest` and `highest`."""
    return "".join(SPARKS[_height(value, lowest, highest)] for value in thinned(values, width, lambda value: value))


def thinned(values: Sequence[T], most: int, height: Callable[[T], float]) -> list[T]:
    """At most so many of these: the highest of each stretch, so that no peak is lost, and the last one."""
    if not values or most < 1:
        return []
    *before, last = values
    room = min(most - 1, len(before))
    parts = (before[index * len(before) // room : (index + 1) * len(before) // room] for index in range(room))
    return [*(max(part, key=height) for part in parts), last]


def _height(value: float, lowest: float, highest: float) -> int:
    if highest <= lowest:
        return 0
    return min(len(SPARKS) - 1, max(0, round((value - lowest) / (highest - lowest) * (len(SPARKS) - 1))))
