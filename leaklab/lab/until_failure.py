"""Runs both halves under a low limit until the leaky one dies, and compares that with the forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leaklab import metrics
from leaklab.errors import UsageError
from leaklab.judge.forecast import Capacities, Forecast, forecasts
from leaklab.judge.summary import MetricSummary
from leaklab.lab.pair import DESCRIPTORS_BESIDE, RunOptions, run_halves
from leaklab.measure.trace import Outcome
from leaklab.metrics import MEMORY_FLOOR, METRICS, RSS, Resource
from leaklab.system.limits import THREADS, Limits
from leaklab.system.machine import fd_limits

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.lab.result import HalfResult, Result

LOW_DESCRIPTORS = 64
"""The limit of open files for a half that leaks sockets or files: low enough to die in a moment."""

LOW_MEMORY = 48 * 2**20
"""The limit of address space, in bytes above those of the imported half, for a half that leaks memory."""

THREAD_ADDRESSES = 8 * 2**20
"""Bytes of address space that a thread's stack reserves on Linux (pthread_create(3): the soft RLIMIT_STACK, 8 MiB)."""

LOW_THREADS = 32
"""The limit of threads, by the address space of their stacks, for a half that leaks threads."""

MOST_STEPS = 20_000
"""Most steps of the run for a forecast of memory, which must grow above its floor to be judged."""

PAST_FORECAST = 2
"""The half gets work for this many times the steps of its forecast: it dies, or the forecast was wrong."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a leaky half died.

    Attributes:
        resource: the limited resource.
        limit: the limit, in that resource's unit.
        forecast: the prediction from an ordinary run.
        died_at_step: steps it had completed; None if it did not die.
        error: the error that a user would see; None if it did not die.
        result: both halves under the limit.
    """

    resource: Resource
    limit: int
    forecast: Forecast
    died_at_step: int | None
    error: str | None
    result: Result

    @property
    def as_expected(self) -> bool:
        """Whether the leaky half died and the fixed half did all the work under the same limit."""
        fixed = self.result.halves.get("fixed")
        return (
            self.died_at_step is not None
            and fixed is not None
            and fixed.outcome is Outcome.COMPLETED
            and fixed.complaint is None
        )


def run_until_failure(entry: Entry, settings: Settings, options: RunOptions) -> Failure:
    """Measure the leaky half's growth, then run both halves under a low limit until the leaky one dies.

    Raises:
        UsageError: the leaky half does not grow with its steps, so no limit would end it.
        MeasureError: as `run_halves`.
        KeyboardInterrupt: it was interrupted during the run for the forecast.
    """
    if settings.steps is None:
        raise UsageError(f"{entry.id} does not grow with steps; --until-failure is for leaks that do")
    resource, limit, forecast, stacks = _predict(entry, settings, options)
    steps = max(PAST_FORECAST * forecast.steps, settings.steps)
    allowed = fd_limits()[1]
    if allowed is not None:
        # The services may need a file descriptor for each step too.
        steps = min(steps, max(forecast.steps + 1, allowed - DESCRIPTORS_BESIDE))
    limits = _limits(options.limits, resource, limit, stacks)
    paths = {half: entry.half_path(half) for half in ("leaky", "fixed")}
    low = replace(options, limits=limits, repeat=1)
    result = run_halves(entry, paths, settings.with_steps(steps), low)
    leaky = result.halves["leaky"]
    died = leaky.outcome is Outcome.CRASHED and not result.interrupted
    # `steps` counts the steps that started: the last of them failed.
    done = max(0, leaky.runs[0].trace.steps - 1)
    return Failure(resource, limit, forecast, done if died else None, leaky.error if died else None, result)


def _predict(entry: Entry, settings: Settings, options: RunOptions) -> tuple[Resource, int, Forecast, int]:
    """The resource that the leaky half runs out of, its low limit, the forecast, and the size of its stacks.

    The stacks are the bytes of address space of its threads, which are not what leaks.
    """
    tried = settings
    # The limits that were asked for are for the run that dies, not for this one.
    whole = replace(options.limits, fds=None, memory=None, threads=max(THREADS, options.limits.threads))
    while True:
        once = replace(options, repeat=1, limits=whole)
        result = run_halves(entry, {"leaky": entry.half_path("leaky")}, tried, once)
        leaky = result.halves["leaky"]
        if result.interrupted:
            raise KeyboardInterrupt
        if leaky.outcome is not Outcome.COMPLETED:
            raise UsageError(f"the leaky half must complete before it runs under a low limit, but {leaky.error}")
        summary = leaky.runs[0].summary
        steps = tried.steps or 0
        low = _low(options.limits)
        capacities = Capacities(
            descriptors=low[Resource.DESCRIPTORS],
            descriptors_are="set for this run",
            memory=low[Resource.MEMORY],
            memory_is="of memory",
            threads=low[Resource.THREADS],
        )
        ahead = {METRICS[forecast.metric].resource: forecast for forecast in forecasts(summary, capacities)}
        for resource, limit in low.items():
            if resource in ahead:
                return resource, limit, ahead[resource], _stacks(leaky)
        if not _may_grow(summary) or steps >= MOST_STEPS:
            raise UsageError(
                f"{entry.id} does not grow with steps in file descriptors, threads or memory; "
                "--until-failure is for leaks that do"
            )
        tried = tried.with_steps(min(MOST_STEPS, _enough_steps(leaky, steps)))


def _low(limits: Limits) -> dict[Resource, int]:
    """The low limit of each resource: the one asked for, or ours. The first resource that runs out counts."""
    return {
        Resource.DESCRIPTORS: limits.fds or LOW_DESCRIPTORS,
        Resource.THREADS: limits.threads if limits.threads != THREADS else LOW_THREADS,
        Resource.MEMORY: limits.memory or LOW_MEMORY,
    }


def _may_grow(summary: Mapping[str, MetricSummary | None]) -> bool:
    """Whether anything grows, so that memory may grow measurably with more steps."""
    rss = summary[RSS.name]
    if rss is not None and rss.end is not None and rss.baseline is not None and rss.end - rss.baseline > MEMORY_FLOOR:
        return False
    return any(forecasts(summary, Capacities(descriptors=1, threads=1, memory=1)))


def _enough_steps(leaky: HalfResult, steps: int) -> int:
    """Steps after which memory will have grown well above its floor, at its pace so far; at least twice as many."""
    end, baseline = leaky.value(RSS.name, "end"), leaky.value(RSS.name, "baseline")
    grown = max(1.0, (end or 0) - (baseline or 0)) / steps
    return max(2 * steps, int(1.5 * MEMORY_FLOOR / grown))


def _stacks(leaky: HalfResult) -> int:
    peak, baseline = (leaky.value(metrics.THREADS.name, moment) for moment in ("peak", "baseline"))
    return int((peak or 0) - (baseline or 0)) * THREAD_ADDRESSES


def _limits(limits: Limits, resource: Resource, limit: int, stacks: int) -> Limits:
    """The limits as the system enforces them: the half gets an error, instead of being killed by the lab."""
    if resource is Resource.DESCRIPTORS:
        return replace(limits, fds=limit)
    if resource is Resource.THREADS:
        return replace(limits, threads=max(THREADS, 2 * limit), address_room=limit * THREAD_ADDRESSES)
    return replace(limits, memory=None, address_room=limit + stacks)
