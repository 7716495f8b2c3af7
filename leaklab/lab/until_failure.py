"""Lets a leaky half run under a low limit until it really dies, beside the forecast and the fixed half."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from leaklab.errors import UsageError
from leaklab.judge.forecast import Capacities, Forecast, forecasts
from leaklab.judge.summary import MetricSummary
from leaklab.lab.pair import DESCRIPTORS_BESIDE, RunOptions, run_halves
from leaklab.measure.trace import Outcome
from leaklab.metrics import MEMORY_FLOOR
from leaklab.system.limits import THREADS, Limits
from leaklab.system.machine import fd_limits

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.declaration import Settings
    from leaklab.lab.result import HalfResult, Result

LOW_DESCRIPTORS = 64
"""The limit of descriptors under which a half that leaks sockets or files is run: low enough to die in a moment."""

LOW_MEMORY = 48 * 2**20
"""Bytes of address space above those of the imported half under which a half that leaks memory is run."""

THREAD_ADDRESSES = 8 * 2**20
"""Bytes of address space that a thread's stack reserves on Linux (pthread_create(3): the soft RLIMIT_STACK, 8 MiB)."""

LOW_THREADS = 32
"""Threads for whose stacks there is address space, where a half leaks threads."""

RESOURCES = {
    "open_sockets": "descriptors",
    "open_fds": "descriptors",
    "threads": "threads",
    "rss": "memory",
    "open_cursors": "cursors of the server",
}
"""Which resource runs out where a metric grows; cursors are the server's, and it has no limit of them."""

LOOKED_AT_MOST = 20_000
"""Steps of the run that a forecast of memory is made from, at most: memory must grow above its floor to be judged."""

PAST_FORECAST = 2
"""The half is given work for so many times the steps of its forecast: it dies, or the forecast was wrong."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a leaky half died.

    Attributes:
        resource: what was limited: `descriptors`, `threads` or `memory`.
        limit: the limit, in that resource's unit.
        forecast: what was foretold by an ordinary run.
        died_at_step: whole steps that it had done; None if it did not die.
        error: the error a user would meet; None if it did not die.
        result: both halves under the limit.
    """

    resource: str
    limit: int
    forecast: Forecast
    died_at_step: int | None
    error: str | None
    result: Result

    @property
    def as_expected(self) -> bool:
        """Whether the leaky half died and the fixed half did all of the same work under the same limit."""
        fixed = self.result.halves.get("fixed")
        return (
            self.died_at_step is not None
            and fixed is not None
            and fixed.outcome is Outcome.COMPLETED
            and fixed.complaint is None
        )


def run_until_failure(entry: Entry, settings: Settings, options: RunOptions) -> Failure:
    """Measure the leaky half's growth, then let both halves run under a low limit until the leaky one dies.

    Raises:
        UsageError: the leaky half does not grow with its steps, so that no limit of this kind ends it.
        MeasureError: as `run_halves`.
        KeyboardInterrupt: it was interrupted while the forecast was made.
    """
    if settings.steps is None:
        raise UsageError(f"{entry.id} has no steps to go on with: --until-failure is for leaks that grow")
    resource, limit, forecast, stacks = _foretell(entry, settings, options)
    steps = max(PAST_FORECAST * forecast.steps, settings.steps)
    allowed = fd_limits()[1]
    if allowed is not None:
        # The services may need a descriptor for each step, too.
        steps = min(steps, max(forecast.steps + 1, allowed - DESCRIPTORS_BESIDE))
    limits = _limits(options.limits, resource, limit, stacks)
    paths = {half: entry.half_path(half) for half in ("leaky", "fixed")}
    low = replace(options, limits=limits, repeat=1)
    result = run_halves(entry, paths, replace(settings, steps=steps), low)
    leaky = result.halves["leaky"]
    died = leaky.outcome is Outcome.CRASHED and not result.interrupted
    # `steps` counts those begun: the last one began and failed, if there was one.
    done = max(0, leaky.runs[0].trace.steps - 1)
    return Failure(resource, limit, forecast, done if died else None, leaky.error if died else None, result)


def _foretell(entry: Entry, settings: Settings, options: RunOptions) -> tuple[str, int, Forecast, int]:
    """Which resource the leaky half runs out of, the low limit for it, after how many steps that must be.

    The last is the bytes of address space that the stacks of its threads take: they are not what leaks.
    """
    looked = replace(settings)
    # The limits that were asked for are those it is to die under: not now.
    whole = replace(options.limits, fds=None, memory=None, threads=max(THREADS, options.limits.threads))
    while True:
        result = run_halves(
            entry, {"leaky": entry.half_path("leaky")}, looked, replace(options, repeat=1, limits=whole)
        )
        leaky = result.halves["leaky"]
        if result.interrupted:
            raise KeyboardInterrupt
        if leaky.outcome is not Outcome.COMPLETED:
            raise UsageError(
                f"the leaky half must do its work whole before it is run under a low limit, and it did not: "
                f"{leaky.error}"
            )
        summary = leaky.runs[0].summary
        steps = looked.steps or 0
        low = _low(options.limits)
        capacities = Capacities(
            descriptors=low["descriptors"], memory=low["memory"], memory_is="it may take", threads=low["threads"]
        )
        ahead = {RESOURCES[forecast.metric]: forecast for forecast in forecasts(summary, capacities)}
        for resource, limit in low.items():
            if resource in ahead:
                return resource, limit, ahead[resource], _stacks(leaky)
        if not _may_grow(summary) or steps >= LOOKED_AT_MOST:
            raise UsageError(
                f"{entry.id} does not grow with its steps in descriptors, threads or memory: "
                "no limit ends it, however long it runs. --until-failure is for leaks that grow"
            )
        looked = replace(looked, steps=min(LOOKED_AT_MOST, _enough_steps(leaky, steps)))


def _low(limits: Limits) -> dict[str, int]:
    """The low limit of each resource, as it was asked for or our own; of several that run out the first is taken."""
    return {
        "descriptors": limits.fds or LOW_DESCRIPTORS,
        "threads": limits.threads if limits.threads != THREADS else LOW_THREADS,
        "memory": limits.memory or LOW_MEMORY,
    }


def _may_grow(summary: Mapping[str, MetricSummary | None]) -> bool:
    """Whether anything grows, so that memory may be found to grow too when there are more steps."""
    rss = summary["rss"]
    if rss is not None and rss.end is not None and rss.baseline is not None and rss.end - rss.baseline > MEMORY_FLOOR:
        return False
    return any(forecasts(summary, Capacities(descriptors=1, threads=1, memory=1)))


def _enough_steps(leaky: HalfResult, steps: int) -> int:
    """Steps after which memory will have grown well above its floor, by what it grew so far; at least twice as many."""
    end, baseline = leaky.value("rss", "end"), leaky.value("rss", "baseline")
    grown = max(1.0, (end or 0) - (baseline or 0)) / steps
    return max(2 * steps, int(1.5 * MEMORY_FLOOR / grown))


def _stacks(leaky: HalfResult) -> int:
    peak, baseline = leaky.value("threads", "peak"), leaky.value("threads", "baseline")
    return int((peak or 0) - (baseline or 0)) * THREAD_ADDRESSES


def _limits(limits: Limits, resource: str, limit: int, stacks: int) -> Limits:
    """The limits that the system keeps, so that the half meets an error and is not ended by the lab."""
    if resource == "descriptors":
        return replace(limits, fds=limit)
    if resource == "threads":
        return replace(limits, threads=max(THREADS, 2 * limit), address_room=limit * THREAD_ADDRESSES)
    return replace(limits, memory=None, address_room=limit + stacks)
