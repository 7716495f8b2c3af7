"""The one rule: what grows with the work leaks. Two runs of one half, of two sizes, are compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaklab.judge.summary import Summary
from leaklab.metrics import COUNT_FLOOR, JUDGED, MEMORY_SUSPECT, METRICS, FindingKind, Metric, Moment

SHARE = 0.5
"""The share of the work's own growth that a count must exceed: a leak by chance wavers, a pool comes to its bound."""

SURE = 0.9
"""Things per additional step that are growth, whatever there was before: a leak beside a pool that was full at once."""

LEAST = 1 / 15
"""Things per step of the additional work below which nothing is found: a connection that serves 15 requests is reused,
and a pool that now and then needs one more is still a pool."""


@dataclass(frozen=True, slots=True)
class SizedRun:
    """What was read of a run, and how many steps of work it did."""

    steps: int
    summary: Summary

    def reading(self, metric: Metric, moment: Moment) -> float | None:
        """How much was there above the baseline, without what another metric counts; None where that is unknown."""
        summary = self.summary.get(metric.name)
        return None if summary is None else summary.alone.get(moment)

    def count(self, metric: Metric, moment: Moment) -> float:
        """The same as a number: 0 where it is unknown."""
        return self.reading(metric, moment) or 0.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scenario's thresholds.

    Attributes:
        deadline_s: seconds within which the caller needs its answer; None without a deadline.
        hang_s: seconds after which the dead service answers; None if no service is dead.
        memory: bytes of RSS above the baseline that may be held at the last step (MEMORY_FLOOR or more), or None.
        telling: the key metrics: without them there is no verdict.
        concurrency: how many things a half may have open at the same time by design.
    """

    deadline_s: float | None = None
    hang_s: float | None = None
    memory: int | None = None
    telling: tuple[str, ...] = ()
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class Growth:
    """A metric that grew with the work, at one moment."""

    metric: Metric
    moment: Moment
    kind: FindingKind
    per_step: float


def suspects(run: SizedRun, bounds: Thresholds) -> list[Metric]:
    """The metrics of which so much was there that a run of another size has to decide."""
    few = max(1, min(COUNT_FLOOR, run.steps))
    found = (
        metric
        for metric, moment, _ in _moments(bounds)
        if run.count(metric, moment) >= (few if metric.unit == "count" else MEMORY_SUSPECT)
    )
    return list(dict.fromkeys(found))


def growing(runs: Sequence[SizedRun], bounds: Thresholds, *, floors: bool = True) -> Iterator[Growth]:
    """What grows in proportion to the work, each metric once; without `floors` also by too little to be judged.

    `runs` are two of different sizes; or one alone, which is compared with no work at all.
    """
    *smaller, large = sorted(runs, key=lambda run: run.steps)
    steps = smaller[0].steps if smaller else 0
    more = large.steps - steps
    told: set[str] = set()
    for metric, moment, kind in _moments(bounds):
        less, much = smaller[0].reading(metric, moment) if smaller else 0.0, large.reading(metric, moment)
        if less is None or much is None or metric.name in told:
            continue
        is_count, pace = metric.unit == "count", (much - less) / more
        floor = max(metric.floor, more * LEAST if is_count else 0) if floors else metric.least
        in_proportion = not steps or much > SHARE * less * large.steps / steps or (is_count and pace >= SURE)
        permitted = 0 if kind is FindingKind.LEAKED else bounds.concurrency
        if much - less >= floor and in_proportion and much > permitted:
            told.add(metric.name)
            yield Growth(metric, moment, kind, pace)


def _moments(bounds: Thresholds) -> Iterator[tuple[Metric, Moment, FindingKind]]:
    """What is judged of each metric; memory that is held until return is judged by the budget, if there is one."""
    for metric in METRICS.values():
        for moment, kind in JUDGED.get(metric.judge, ()):
            if bounds.memory is None or not metric.budgeted or kind is not FindingKind.HELD:
                yield metric, moment, kind
