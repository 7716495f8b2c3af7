"""The one rule: what grows with the work leaks. Two runs of one half, of two sizes, are compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from leaklab.judge.summary import Summary
from leaklab.metrics import METRICS, FindingKind, Judge, Metric, Moment

SHARE = 0.5
"""The share of the work's own growth that a count must follow, or more: a leak that strikes by chance wavers, a pool
or a cache stays where it is."""

LEAST = 1 / 15
"""Things per step of the additional work below which nothing is found: a connection that serves 15 requests is reused,
and a pool that now and then needs one more is still a pool."""

LARGE = 200
"""Steps from which on the second run is the smaller one. It is more than the pools that clients have by default hold:
100 connections in aiohttp and httpx, 100 in pymongo (their documentation), 32 threads in Python's executors."""

JUDGED: Mapping[Judge, tuple[tuple[Moment, FindingKind], ...]] = {
    Judge.LEFT_OPEN: ((Moment.COLLECTED, FindingKind.LEAKED), (Moment.PEAK, FindingKind.HELD)),
    Judge.LEFT_BEHIND: ((Moment.COLLECTED, FindingKind.LEAKED),),
    Judge.REUSE: ((Moment.COLLECTED, FindingKind.WASTED),),
}
"""The moments at which a metric is judged, and what its growth is called then; the first that grows is told."""


@dataclass(frozen=True, slots=True)
class SizedRun:
    """What was read of a run, and how many steps of work it did."""

    steps: int
    summary: Summary

    def reading(self, metric: Metric, moment: Moment) -> float:
        """How much was there above the baseline, without what another metric counts; 0 where it was not read."""
        summary = self.summary.get(metric.name)
        return 0.0 if summary is None else summary.alone.get(moment, 0.0)


@dataclass(frozen=True, slots=True)
class Growth:
    """A metric that grew with the work, at one moment."""

    metric: Metric
    moment: Moment
    kind: FindingKind
    per_step: float


def second_size(steps: int) -> int:
    """The steps of the second run of a half that has run `steps`."""
    return smaller_size(steps) if steps >= LARGE else max(LARGE, 4 * steps)


def smaller_size(steps: int) -> int:
    """The steps of a second run that is to be the smaller one."""
    return max(1, steps // 4)


def suspects(run: SizedRun, *, budget: bool = False) -> list[Metric]:
    """The metrics of which so much was there that a run of another size has to decide.

    With a `budget`, memory that is held until return is judged by it, and not here.
    """
    found: list[Metric] = []
    for metric, moment, _ in _moments(budget=budget):
        least = min(metric.suspect, max(1, run.steps)) if metric.unit == "count" else metric.suspect
        if run.reading(metric, moment) >= least and metric not in found:
            found.append(metric)
    return found


def growing(
    sizes: Sequence[SizedRun], concurrency: int = 0, *, budget: bool = False, floors: bool = True
) -> Iterator[Growth]:
    """What grows in proportion to the work, each metric once.

    Args:
        sizes: the smaller run and the larger; or one run alone, which is compared with no work at all.
        concurrency: as many may be open at the same time by design.
        budget: memory that is held until return is judged by a budget, and not here.
        floors: leave out what grows by too little to be judged.
    """
    large, small = sizes[-1], sizes[0] if len(sizes) > 1 else SizedRun(0, {})
    more = large.steps - small.steps
    told: set[str] = set()
    for metric, moment, kind in _moments(budget=budget):
        less, much = small.reading(metric, moment), large.reading(metric, moment)
        floor = max(metric.floor, more * LEAST if metric.unit == "count" else 0) if floors else metric.least
        in_proportion = less * large.steps / small.steps if small.steps else 0.0
        allowed = max(SHARE * in_proportion, 0 if kind is FindingKind.LEAKED else concurrency)
        if much - less >= floor and much > allowed and metric.name not in told:
            told.add(metric.name)
            yield Growth(metric, moment, kind, (much - less) / more)


def _moments(*, budget: bool) -> Iterator[tuple[Metric, Moment, FindingKind]]:
    for metric in METRICS.values():
        for moment, kind in JUDGED.get(metric.judge, ()):
            if not (budget and metric.budgeted and kind is FindingKind.HELD):
                yield metric, moment, kind
