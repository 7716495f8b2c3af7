"""How a scenario is run, what is too much of its halves, and whether this machine can carry it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from leaklab.content.declaration import Scenario
from leaklab.content.requirements import missing_packages
from leaklab.content.settings import Settings
from leaklab.errors import MeasureError, UsageError
from leaklab.judge.deadline import TOO_LATE
from leaklab.judge.scaling import Thresholds
from leaklab.measure.sampler import TraceListener
from leaklab.metrics import MEMORY_FLOOR
from leaklab.services.client import Services
from leaklab.system.limits import Limits
from leaklab.system.machine import fd_limits, free_memory, most_memory
from leaklab.units import format_duration, format_size, written_duration, written_size

DESCRIPTORS_BESIDE = 64
"""Descriptors that a half and the services need beside one per step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a scenario is run: how often each half, within which limits, on which MongoDB (None: the embedded one).

    `controls` are the halves that are known to be what the scenario says: they are judged by one run.
    With `explain`, the findings on the others are explained, by one more run that is not measured.
    `leaking` are halves that leaked when they were last measured: they are ready for a second run from the start on.
    `services` are those of a caller that makes several runs; with None, a run has its own.
    `modules` are what a worker may have imported that was started before it was known for which half.
    The scenario's own time limit, if it has one, takes the place of that of `limits`, unless `keep_time_limit`.
    """

    repeat: int = 1
    controls: frozenset[str] = frozenset()
    leaking: frozenset[str] = frozenset()
    explain: bool = False
    limits: Limits = field(default_factory=Limits)
    keep_time_limit: bool = False
    mongo_uri: str | None = None
    services: Services | None = None
    modules: Sequence[str] = ()
    progress: TraceListener = field(default_factory=TraceListener)


def limits_of(scenario: Scenario, settings: Settings, options: RunOptions) -> Limits:
    """The limits of a half of `scenario`, with these settings."""
    if scenario.time_limit is None or options.keep_time_limit:
        return options.limits
    return replace(options.limits, time_s=scenario.time_limit(settings))


def bounds_of(scenario: Scenario, settings: Settings) -> Thresholds:
    """What is too much of a half of `scenario`, with these settings."""
    return Thresholds(
        deadline_s=settings.deadline if scenario.deadline is None else scenario.deadline(settings),
        hang_s=None if scenario.hang is None else scenario.hang(settings),
        memory=None if scenario.memory_budget is None else scenario.memory_budget(settings),
        telling=scenario.telling,
        concurrency=0 if scenario.concurrency is None else scenario.concurrency(settings),
    )


def check_settings(name: str, scenario: Scenario, settings: Settings, options: RunOptions) -> None:
    """Raise UsageError for conflicting settings, and for more than this machine can carry, before anything starts.

    Raises MeasureError if a package that the halves need is missing.
    """
    if missing := missing_packages(name, scenario):
        raise MeasureError(missing)
    if options.mongo_uri is not None and "mongo" not in scenario.services:
        raise UsageError(f"{name} uses no MongoDB server: leave --mongo out")
    bounds, limits = bounds_of(scenario, settings), limits_of(scenario, settings, options)
    if bounds.hang_s is not None:
        _check_hang(f"{name} ({settings})", bounds.hang_s, bounds.deadline_s, limits.time_s)
    if scenario.buffer is not None:
        _check_buffer(f"{name} ({settings})", scenario.buffer(settings), limits.memory, bounds.memory)
    if settings.steps is not None and "http" in scenario.services:
        _check_descriptors(settings.steps, fd_limits()[1])


def _check_hang(what: str, hang: float, deadline: float | None, limit: float) -> None:
    hangs = f"{what}: the dead service hangs for {format_duration(hang)}"
    if deadline is not None and hang < TOO_LATE * deadline:
        raise UsageError(
            f"{hangs}, less than {TOO_LATE:g} × the deadline of {format_duration(deadline)}: a late answer could not "
            "be told from a busy machine. Set them further apart."
        )
    if hang >= limit:
        higher = written_duration(2 * hang)
        raise UsageError(f"{hangs}, as long as the time limit or longer: set a higher one, like --limit time={higher}")


def _check_buffer(what: str, size: int, limit: int | None, budget: int | None) -> None:
    if budget is not None and budget < MEMORY_FLOOR:
        raise UsageError(
            f"{what}: {format_size(size)} is too small to judge: a half may hold {format_size(budget)} of it, and "
            f"identical runs differ by up to {format_size(MEMORY_FLOOR)}. Set a larger size."
        )
    spare = most_memory()
    if size > spare:
        raise UsageError(
            f"{what}: {format_size(size)} is more than this machine can spare: {format_size(free_memory())} are free, "
            f"and a half may hold {format_size(spare)} of it. Set a smaller size."
        )
    if limit is not None and size >= limit:
        raise UsageError(
            f"{what}: {format_size(size)} reaches --limit memory={written_size(limit)}: no half could finish. "
            "Set a higher limit or a smaller size."
        )


def _check_descriptors(steps: int, limit: int | None) -> None:
    needed = steps + DESCRIPTORS_BESIDE
    if limit is None or needed <= limit:
        return
    if limit <= DESCRIPTORS_BESIDE:
        raise UsageError(
            f"a process may have {limit:,} open descriptors here (ulimit -Hn): the lab needs {needed:,} for "
            f"--steps {steps}. Raise the limit."
        )
    raise UsageError(
        f"--steps {steps} may need {needed:,} open descriptors and a process may have {limit:,} here "
        f"(ulimit -Hn): take at most --steps {limit - DESCRIPTORS_BESIDE}"
    )
