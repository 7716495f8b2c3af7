"""Runs the halves of a scenario, in turn, on services of their own, and judges them: scenario → result."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from leaklab.catalog import HALVES, Entry
from leaklab.errors import MeasureError, UsageError
from leaklab.processes import descriptor_limit, raise_descriptor_limit, require_posix
from leaklab.result import Result, half_result
from leaklab.runner import HalfRun, Limits, Progress, Unreadable, no_progress
from leaklab.scenario import Lab, Scenario, Settings
from leaklab.services.client import HalfServices, Services
from leaklab.trace import Outcome, Trace
from leaklab.units import format_duration, format_size
from leaklab.verdict import TOO_LATE, Bounds

DESCRIPTORS_BESIDE = 64
"""Descriptors that a half and the services need beside one per step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a scenario is run.

    Attributes:
        halves: which halves, in the order they are shown and run.
        repeat: how often each half is run.
        limits: what each half may use.
        mongo_uri: a real server; None for the embedded one.
        progress: is told of each step.
    """

    halves: Sequence[str] = HALVES
    repeat: int = 1
    limits: Limits = field(default_factory=Limits)
    mongo_uri: str | None = None
    progress: Progress = no_progress


def run_scenario(entry: Entry, settings: Settings, options: Options) -> Result:
    """Run the halves of `entry`, `options.repeat` times in turn, and judge them.

    Raises:
        UsageError: the settings cannot be meant.
        ScenarioError: the scenario is broken.
        MeasureError: the machine lacks what the run needs, or a service failed.
    """
    require_posix()
    paths = {half: entry.half_path(half) for half in options.halves}
    return run_halves(entry, paths, settings, options)


def run_halves(entry: Entry, paths: Mapping[str, Path], settings: Settings, options: Options) -> Result:
    """Run any files as halves of `entry`, by the names they are to be called. Raises as `run_scenario` does."""
    scenario = entry.scenario
    check_settings(entry.id, scenario, settings, options)
    raise_descriptor_limit()
    traces: dict[str, list[Trace]] = {half: [] for half in paths}
    complaints: dict[str, list[str | None]] = {half: [] for half in paths}
    server: str | None = None
    with Services() as services:
        interrupted = False
        for _ in range(options.repeat):
            server, interrupted = _run_each_once(entry, paths, settings, options, services, traces, complaints)
            if interrupted:
                break
    bounds = Bounds(
        deadline_s=settings.deadline,
        memory=None if scenario.memory_budget is None else scenario.memory_budget(settings),
    )
    return Result(
        scenario=entry.id,
        settings=settings,
        mongo=server,
        python=platform.python_version(),
        halves={half: half_result(half, traces[half], complaints[half], bounds) for half in paths if traces[half]},
        expected=scenario.expected,
        telling=scenario.telling,
        interrupted=interrupted,
    )


def _run_each_once(
    entry: Entry,
    paths: Mapping[str, Path],
    settings: Settings,
    options: Options,
    services: Services,
    traces: Mapping[str, list[Trace]],
    complaints: Mapping[str, list[str | None]],
) -> tuple[str | None, bool]:
    """Run each half once; which MongoDB server, and whether it was interrupted. All are imported before the first one runs, so that no import disturbs a measurement."""
    scenario = entry.scenario
    server: str | None = None
    with ExitStack() as stack:
        runs = [
            stack.enter_context(HalfRun(half, path, services, options.limits, options.progress))
            for half, path in paths.items()
        ]
        ready: list[tuple[HalfRun, HalfServices, Lab]] = []
        for run in runs:
            run.guard()
            its = services.start(scenario, options.mongo_uri)
            server = its.server
            lab = Lab(settings, its.http, its.mongo)
            run.make_ready(its, _workload(entry, lab))
            ready.append((run, its, lab))
        for run, its, lab in ready:
            trace = run.run()
            run.end()
            services.stop(its)
            traces[run.half].append(trace)
            complaints[run.half].append(_complaint(scenario, lab, trace))
            if run.interrupted:
                return server, True
    return server, False


def _workload(entry: Entry, lab: Lab) -> Mapping[str, object]:
    try:
        return entry.scenario.workload(lab)
    except Exception as error:
        raise MeasureError(f"scenario {entry.id}: its workload cannot be made: {error}") from error


def _complaint(scenario: Scenario, lab: Lab, trace: Trace) -> str | None:
    """What is wrong with the work that was done: by the answer, and by the services' own counts."""
    if trace.outcome is not Outcome.COMPLETED:
        return None
    if isinstance(trace.answer, Unreadable):
        return f"its answer cannot be read: {trace.answer.problem}"
    asked, made = scenario.requests(lab.settings), trace.requests_by_route
    if asked != made:
        said = ", ".join(f"{count} × {route}" for route, count in sorted(made.items())) or "none"
        needed = ", ".join(f"{count} × {route}" for route, count in sorted(asked.items())) or "none"
        return f"the services were asked {said}; the work is {needed}"
    return scenario.check_answer(lab, trace.answer)


def check_settings(name: str, scenario: Scenario, settings: Settings, options: Options) -> None:
    """Refuse what cannot be meant, or what this machine cannot carry, before anything starts.

    Raises:
        UsageError: settings that contradict each other, or ask for more memory or descriptors than there are.
    """
    if options.mongo_uri is not None and "mongo" not in scenario.services:
        raise UsageError(f"{name} uses no MongoDB server: leave --mongo out")
    if settings.hang is not None and settings.deadline is not None and settings.hang < TOO_LATE * settings.deadline:
        raise UsageError(
            f"--hang {format_duration(settings.hang)} is less than {TOO_LATE:g} × --deadline "
            f"{format_duration(settings.deadline)}: a late answer could not be told from a busy machine"
        )
    if settings.hang is not None and settings.hang >= options.limits.time_s:
        raise UsageError(
            f"--hang {format_duration(settings.hang)} reaches the time limit of a half: "
            f"raise --time-limit above {format_duration(settings.hang)}"
        )
    if settings.size is not None:
        free = psutil.virtual_memory().available
        if settings.size > free * 0.9:
            raise UsageError(
                f"--size {format_size(settings.size)} is more than this machine can spare: "
                f"{format_size(free)} are free. Take a smaller --size."
            )
    limit = descriptor_limit()
    needed = (settings.steps or 0) + DESCRIPTORS_BESIDE
    if "http" in scenario.services and limit is not None and needed > limit:
        raise UsageError(
            f"--steps {settings.steps} may need {needed:,} open descriptors and this machine allows a process {limit:,} "
            f"(ulimit -Hn): take at most --steps {max(1, limit - DESCRIPTORS_BESIDE)}"
        )
