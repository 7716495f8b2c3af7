"""Runs both halves under a low limit until the leaky one dies, and compares that with the forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from leaklab import metrics
from leaklab.errors import UsageError
from leaklab.lab.explanation import Inside
from leaklab.lab.forecast import Capacities, Forecast, forecasts
from leaklab.lab.pair import run_scenario
from leaklab.lab.run_options import DESCRIPTORS_BESIDE, RunOptions
from leaklab.lab.runtimes import runtime_of
from leaklab.measure.run_trace import Outcome
from leaklab.metrics import MEMORY_FLOOR, METRICS, RSS, FindingKind, Resource
from leaklab.services.client import Services
from leaklab.system.interrupts import Owner
from leaklab.system.limits import THREADS, Limits
from leaklab.system.machine import fd_limits

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.judge.findings import Finding
    from leaklab.lab.result import HalfResult, Result

LOW_LIMITS = {Resource.DESCRIPTORS: 64, Resource.THREADS: 32, Resource.MEMORY: 48 * 2**20}
"""Limits that are low enough to die in a moment: of open files; of threads, by the address space of their stacks; of
address space, in bytes above those of the imported half. The first resource that runs out counts."""

THREAD_ADDRESSES = 8 * 2**20
"""Bytes of address space that a thread's stack reserves on Linux (pthread_create(3): the soft RLIMIT_STACK, 8 MiB)."""


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
        held: what grew until it died, as a finding, with its evidence if that was asked for; None if it did not die.
        result: both halves under the limit.
    """

    resource: Resource
    limit: int
    forecast: Forecast
    died_at_step: int | None
    error: str | None
    held: Finding | None
    result: Result

    @property
    def as_expected(self) -> bool:
        """Whether the leaky half died and the fixed half did all the work under the same limit."""
        fixed = self.result.halves.get("fixed")
        did_the_work = fixed is not None and fixed.outcome is Outcome.COMPLETED and fixed.complaint is None
        return self.died_at_step is not None and did_the_work


def run_until_failure(entry: Entry, settings: Settings, options: RunOptions) -> Failure:
    """Measure the leaky half's growth, then run both halves under a low limit until the leaky one dies.

    Raises:
        UsageError: the leaky half does not grow with its steps, so no limit would end it.
        MeasureError: as `run_halves`.
        KeyboardInterrupt: it was interrupted during the run for the forecast.
    """
    if settings.steps is None:
        raise UsageError(f"{entry.id} does not grow with steps; --until-failure is for leaks that do")
    limits = options.limits
    threads = limits.threads if limits.threads != THREADS else None
    asked = {Resource.DESCRIPTORS: limits.fds, Resource.THREADS: threads, Resource.MEMORY: limits.memory}
    low = {resource: asked[resource] or limit for resource, limit in LOW_LIMITS.items()}
    grown, resource, forecast = _forecast(entry, settings, options, low)
    limit = low[resource]
    steps = max(PAST_FORECAST * forecast.steps, settings.steps)
    if (allowed := fd_limits()[1]) is not None:
        # The services may need a file descriptor for each step too.
        steps = min(steps, max(forecast.steps + 1, allowed - DESCRIPTORS_BESIDE))
    limited = replace(options, explain=False, limits=_limits(limits, resource, limit, grown), repeat=1)
    result = run_scenario(entry, settings.with_steps(steps), limited)
    leaky = result.halves["leaky"]
    if leaky.outcome is not Outcome.CRASHED or result.interrupted:
        return Failure(resource, limit, forecast, None, None, None, result)
    # `steps` counts the steps that started: the last of them failed.
    done = max(0, leaky.runs[0].trace.steps - 1)
    grew = next(one for one in grown.judgement.findings if METRICS[one.metric].resource is resource and one.work)
    held = _held(entry, settings.with_steps(max(1, done)), options, grew, leaky) if options.explain else grew
    return Failure(resource, limit, forecast, done, leaky.error, held, result)


def _held(entry: Entry, settings: Settings, options: RunOptions, grew: Finding, leaky: HalfResult) -> Finding:
    """What was there when the half died, explained: at the last step of as much work, without the limit."""
    finding = structs.replace(grew, kind=FindingKind.HELD, value=(grew.per_step or 1) * (settings.steps or 1))
    path = entry.half_path("leaky")
    inside = Inside(entry, path, settings, options.limits, options.mongo_uri, runtime_of(path))
    with Owner() as owner:
        return inside.explained([finding], leaky.elapsed_s, owner.enter_context(Services()))[0]


def _forecast(
    entry: Entry, settings: Settings, options: RunOptions, low: Mapping[Resource, int]
) -> tuple[HalfResult, Resource, Forecast]:
    """An ordinary run of the leaky half, the first resource in `low` of which it runs out, and when it does."""
    capacities = Capacities(
        low[Resource.DESCRIPTORS], "set for this run", low[Resource.MEMORY], "of memory", low[Resource.THREADS]
    )
    # The limits that were asked for are for the run that dies, not for this one.
    whole = replace(options.limits, fds=None, memory=None, threads=max(THREADS, options.limits.threads))
    steps = settings.steps or 0
    while True:
        result = run_scenario(
            entry, settings.with_steps(steps), replace(options, explain=False, repeat=1, limits=whole), ["leaky"]
        )
        if result.interrupted:
            raise KeyboardInterrupt
        leaky = result.halves["leaky"]
        if leaky.outcome is not Outcome.COMPLETED:
            raise UsageError(f"the leaky half must complete before it runs under a low limit, but {leaky.error}")
        run, findings = leaky.runs[0].sized, leaky.judgement.findings
        ahead = {METRICS[one.metric].resource: one for one in forecasts(run, findings, capacities)}
        for resource in low:
            if resource in ahead:
                return leaky, resource, ahead[resource]
        # If anything grows, memory may grow measurably with more steps, unless it has done so already.
        may_grow = any(finding.work for finding in findings)
        more = min(MOST_STEPS, _enough_steps(leaky, steps))
        too_long = leaky.elapsed_s * more / steps > whole.time_s
        if steps >= MOST_STEPS or too_long or not may_grow or (leaky.rise(RSS.name, "end") or 0) > MEMORY_FLOOR:
            raise UsageError(
                f"{entry.id} does not grow with steps in file descriptors, threads or memory; "
                "--until-failure is for leaks that do"
            )
        steps = more


def _enough_steps(leaky: HalfResult, steps: int) -> int:
    """Steps after which memory will have grown well above its floor, at its pace so far; at least twice as many."""
    pace = max(1.0, leaky.rise(RSS.name, "end") or 0) / steps
    return max(2 * steps, int(1.5 * MEMORY_FLOOR / pace))


def _limits(limits: Limits, resource: Resource, limit: int, grown: HalfResult) -> Limits:
    """The limits as the system enforces them: the half gets an error, instead of being killed by the lab."""
    if resource is Resource.DESCRIPTORS:
        return replace(limits, fds=limit)
    if resource is Resource.THREADS:
        return replace(limits, threads=max(THREADS, 2 * limit), address_room=limit * THREAD_ADDRESSES)
    # The address space of its threads' stacks is not what leaks.
    stacks = int(grown.rise(metrics.THREADS.name, "peak") or 0) * THREAD_ADDRESSES
    return replace(limits, memory=None, address_room=limit + stacks)
