"""The one rule: what grows with the work leaks. Runs of one half are compared, of two sizes or three."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf

from leaklab.measure.summary import Summary
from leaklab.metrics import COUNT_FLOOR, JUDGED, MEMORY_SUSPECT, METRICS, FindingKind, Metric, Moment

SHARE = 0.5
"""The share of the earlier pace that the last steps must keep: a leak by chance wavers, a pool comes to its bound."""

STRAIGHT = 0.75
"""The share from which on the pace is the same, and two runs are enough. A slower one may be that of a cache that is
nearly full, and also that of a leak beside a pool or a buffer that was there from the first step on; a faster one that
of a pool which no sample saw in less work."""

POOL = 100
"""Things that a pool may hold, and no more of them at first by chance: the connections that clients have by default
(aiohttp, httpx and pymongo, by their documentation: 100)."""

LEAST = 1 / 15
"""Things per step of the additional work below which nothing is found: a connection that serves 15 requests is reused,
and a pool that now and then needs one more is still a pool."""


@dataclass(frozen=True, slots=True)
class SizedRun:
    """What was read of a run, and how many steps of work it did."""

    steps: int
    summary: Summary

    @property
    def few(self) -> int:
        """Things above the baseline that one in so many steps would make: fewer are nothing in so little work."""
        return max(1, min(COUNT_FLOOR, ceil(self.steps * LEAST)))

    def reading(self, metric: Metric, moment: Moment) -> float | None:
        """How much was there above the baseline, without what another metric counts; None where that is unknown."""
        summary = self.summary.get(metric.name)
        return None if summary is None else summary.alone.get(moment)

    def count(self, metric: Metric, moment: Moment) -> float:
        """The same as a number: 0 where it is unknown."""
        return self.reading(metric, moment) or 0.0


NO_WORK = SizedRun(0, {})
"""What there is before any work: nothing above the baseline."""


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
    found = (
        metric
        for metric, moment, _ in _moments(bounds)
        if run.count(metric, moment) >= (run.few if metric.unit == "count" else MEMORY_SUSPECT)
    )
    return list(dict.fromkeys(found))


def growing(runs: Sequence[SizedRun], bounds: Thresholds, *, floors: bool = True) -> Iterator[Growth]:
    """What keeps growing with the work, each metric once; without `floors` also by too little to be judged."""
    told = set[str]()
    for growth, kept in _compared(runs, bounds, floors=floors):
        if kept >= SHARE and growth.metric.name not in told:
            told.add(growth.metric.name)
            yield growth


def unclear(runs: Sequence[SizedRun], bounds: Thresholds) -> list[Metric]:
    """The metrics that did not grow at the same pace all the time, or to no more than a pool: a third run decides."""
    large = max(runs, key=lambda run: run.steps)
    return [
        growth.metric
        for growth, kept in _compared(runs, bounds)
        if not STRAIGHT <= kept <= 1 / STRAIGHT
        or (growth.metric.unit == "count" and large.count(growth.metric, growth.moment) <= POOL)
    ]


def below_floor(runs: Sequence[SizedRun], bounds: Thresholds, more: int) -> list[Metric]:
    """The metrics of bytes that grew by too little to be judged, and at this pace by enough in so many steps more."""
    judged = {growth.metric.name for growth in growing(runs, bounds)}
    return [
        growth.metric
        for growth in growing(runs, bounds, floors=False)
        if growth.metric.unit == "bytes"
        and growth.metric.name not in judged
        and growth.per_step * more >= growth.metric.floor
    ]


def _compared(runs: Sequence[SizedRun], bounds: Thresholds, *, floors: bool = True) -> Iterator[tuple[Growth, float]]:
    """What grew between the two largest sizes, and the share of its earlier pace that it kept.

    The earlier pace is that from the third largest size, or from no work at all, to the second largest.
    """
    low, middle, high = [NO_WORK, NO_WORK, *sorted(runs, key=lambda run: run.steps)][-3:]
    more = high.steps - middle.steps
    for metric, moment, kind in _moments(bounds):
        first, second, third = (0.0 if run is NO_WORK else run.reading(metric, moment) for run in (low, middle, high))
        if first is None or second is None or third is None:
            continue
        least = max(metric.floor, more * LEAST if metric.unit == "count" else 0) if floors else metric.least
        permitted = 0 if kind is FindingKind.LEAKED else bounds.concurrency
        if third - second >= least and third > permitted:
            pace, before = (third - second) / more, (second - first) / max(1, middle.steps - low.steps)
            yield Growth(metric, moment, kind, pace), pace / before if before > 0 else inf


def _moments(bounds: Thresholds) -> Iterator[tuple[Metric, Moment, FindingKind]]:
    """What is judged of each metric; memory that is held until return is judged by the budget, if there is one."""
    for metric in METRICS.values():
        for moment, kind in JUDGED.get(metric.judge, ()):
            if bounds.memory is None or not metric.budgeted or kind is not FindingKind.HELD:
                yield metric, moment, kind
