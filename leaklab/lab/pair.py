"""Runs the halves of a scenario, in turn, on services of their own, and judges them: scenario → result."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from leaklab.content.catalog import Entry
from leaklab.content.declaration import HALVES, LEAKS_NOTHING, Lab
from leaklab.content.languages import GO, Language
from leaklab.content.settings import Settings
from leaklab.errors import MeasureError
from leaklab.golang.toolchain import toolchain
from leaklab.judge.deadline import waited
from leaklab.judge.findings import Verdict
from leaklab.judge.scaling import SHARE, suspects, unclear
from leaklab.lab import ahead
from leaklab.lab.complaints import as_answer, complaint_of
from leaklab.lab.explanation import Inside, Look, suspected
from leaklab.lab.forecast import Capacities
from leaklab.lab.provision import environment_of, start_services
from leaklab.lab.reruns import LOOKS, could_be_noise, second_size, smaller_size, third_size
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_label, half_result
from leaklab.lab.run_options import RunOptions, bounds_of, check_settings, limits_of
from leaklab.lab.runtimes import runtimes_of
from leaklab.measure.measurement import Measurement, WaitingTargets
from leaklab.measure.run_trace import Outcome, Trace
from leaklab.measure.runtime import Runtime
from leaklab.measure.sampler import SAMPLED_LESS, SAMPLED_STEPS
from leaklab.measure.target import Target
from leaklab.metrics import METRICS
from leaklab.services.client import Services
from leaklab.system.interrupts import Owner
from leaklab.system.limits import Limits
from leaklab.system.machine import fd_limits, free_memory, has_few_fds, initial_fd_limit, raise_fd_limit, thread_limit
from leaklab.system.processes import require_posix


def run_scenario(entry: Entry, settings: Settings, options: RunOptions, halves: Sequence[str] = HALVES) -> Result:
    """Run these halves of `entry`, in this order, `options.repeat` times in turn, and judge them.

    Raises:
        UsageError: the settings conflict.
        ScenarioError: the scenario is broken.
        MeasureError: the machine lacks what the run needs, or a service failed.
    """
    return run_halves(entry, {half: entry.half_path(half) for half in halves}, settings, options)


def run_halves(entry: Entry, paths: Mapping[str, Path], settings: Settings, options: RunOptions) -> Result:
    """Run any files as halves of `entry`, by the names they are to be called. Raises as `run_scenario` does."""
    return PairRun.of(entry, paths, settings, options).result()


def _capacities(limits: Limits, language: Language) -> Capacities:
    """What a half meets that goes on: the limit that it was given, or that of a process of this user."""
    capacities = Capacities(initial_fd_limit(), memory=free_memory(), threads=thread_limit())
    if language is GO:
        # Go raises its own limit as far as it may (package os, since Go 1.19).
        capacities = replace(capacities, descriptors=fd_limits()[1], descriptors_are="ulimit -Hn")
    if limits.fds is not None:
        capacities = replace(capacities, descriptors=limits.fds, descriptors_are="--limit fds")
    if limits.memory is not None:
        capacities = replace(capacities, memory=limits.memory, memory_is="of memory (--limit memory)")
    return capacities


def with_evidence(
    entry: Entry,
    judged: HalfResult,
    path: Path,
    settings: Settings,
    options: RunOptions,
    services: Services,
    runtime: Runtime,
    look: Look | None = None,
) -> HalfResult:
    """The half at `path` with the evidence for its findings, or for what is in doubt, by one more run of it.

    It is the same if there is neither. `look` is a run that was begun before it was judged, if there is one.

    Raises MeasureError if the services' process is gone.
    """
    judgement, run = judged.judgement, judged.runs[0]
    wanted = judgement.findings
    if not wanted and judgement.verdict is Verdict.INCONCLUSIVE and run.trace.outcome is Outcome.COMPLETED:
        wanted = suspected(run.sized, bounds_of(entry.scenario, settings))
    if not wanted:
        return judged
    options.progress.begins(f"looking inside {half_label(judged.half)}: which line, and what keeps it")
    inside = Inside(entry, path, settings, limits_of(entry.scenario, settings, options), options.mongo_uri, runtime)
    told = inside.explained(wanted, judged.elapsed_s, services, look)
    if judgement.findings:
        return replace(judged, judgement=replace(judgement, findings=told))
    return replace(judged, suspected=told)


@dataclass(slots=True)
class PairRun:
    """The halves of one scenario while they are run, and what has come of them."""

    entry: Entry
    paths: Mapping[str, Path]
    settings: Settings
    options: RunOptions
    done: dict[str, list[MeasuredRun]]
    runtimes: Mapping[str, Runtime]
    beside: WaitingTargets = field(default_factory=WaitingTargets)
    judged: dict[str, HalfResult] = field(default_factory=dict)
    services: Services = field(init=False)
    begun: dict[str, Measurement] = field(default_factory=dict)
    looks: dict[str, Look] = field(default_factory=dict)
    server: str | None = None
    interrupted: bool = False

    @classmethod
    def of(cls, entry: Entry, paths: Mapping[str, Path], settings: Settings, options: RunOptions) -> Self:
        """The run of these files. Raises as `run_scenario` does, before anything is started."""
        require_posix()
        options = replace(options, limits=limits_of(entry.scenario, settings, options))
        check_settings(entry.id, entry.scenario, settings, options)
        raise_fd_limit()
        done: dict[str, list[MeasuredRun]] = {half: [] for half in paths}
        runtimes = runtimes_of(entry, paths, options.progress.begins)
        return cls(entry, paths, settings, options, done, runtimes)

    def begin_waiting(self, services: Services, owner: Owner) -> Sequence[Measurement]:
        """Begin the halves that are known to wait for a dead service, as long as it is dead; the owner ends them.

        Others can be run meanwhile. How late they are is out of the question, of a busy machine too.
        """
        self.services = services
        for half in self.paths if self.options.repeat == 1 and self.options.mongo_uri is None else ():
            expected = self.entry.scenario.expected.get(half, LEAKS_NOTHING).given(self.settings)
            if expected.may_hang:
                self.begun[half] = self._prepare(half, self._start(half, owner), self.settings)
                self.begun[half].begin()
        return [*self.begun.values()]

    def result(self) -> Result:
        """Run each half as often as was asked for, and judge them. Raises as `run_scenario` does.

        An interrupt ends that; it is raised if nothing was measured yet.
        """
        try:
            with Owner() as owner:
                self.services = self.options.services or ahead.take_services(owner)
                for number in range(self.options.repeat):
                    is_last = number == self.options.repeat - 1
                    self.run_each_once(owner if is_last and self.options.explain else None)
                    if self.interrupted:
                        break
                self.judge()
                self.explain()
        except KeyboardInterrupt:
            if not any(self.done.values()):
                raise
            self.interrupted = True
            self.judge()
        scenario = self.entry.scenario
        return Result(
            scenario=self.entry.id,
            settings=self.settings,
            mongo=self.server,
            python=".".join(map(str, sys.version_info[:3])),
            go=None if self.entry.language is not GO else str(toolchain()),
            halves=self.judged,
            expected={half: expected.given(self.settings) for half, expected in scenario.expected.items()},
            telling=scenario.telling,
            interrupted=self.interrupted,
            bounds=bounds_of(scenario, self.settings),
            measured_at=datetime.now(UTC),
        )

    def judge(self) -> None:
        """Judge what was measured."""
        bounds = bounds_of(self.entry.scenario, self.settings)
        capacities = _capacities(self.options.limits, self.entry.language)
        for half, runs in self.done.items():
            if runs and half not in self.judged:
                self.judged[half] = half_result(half, runs, bounds, capacities)

    def explain(self) -> None:
        """Find the evidence for the findings, if they are to be explained, and for what is in doubt."""
        for half, judged in self.judged.items():
            if self.options.explain and half not in self.options.controls:
                path, look = self.paths[half], self.looks.get(half)
                self.judged[half] = with_evidence(
                    self.entry, judged, path, self.settings, self.options, self.services, self.runtimes[half], look
                )

    def run_each_once(self, looking: Owner | None) -> None:
        """Run each half once, and those in which something could be growing once more, with other work.

        All are imported before the first one runs, so that no import disturbs a measurement. Those that run once more
        do it beside a witness, which `looking` ends: only counts are read then.
        """
        measured: dict[str, MeasuredRun] = {}
        try:
            with Owner() as owner:
                targets = {half: self._start(half, owner) for half in self.paths if half not in self.begun}
                spare = {half: self._start(half, owner) for half in self._likely()}
                ready = self.begun | {
                    half: self._prepare(half, target, self.settings) for half, target in targets.items()
                }
                waiting = self._run_in_turn(ready, measured)
                # What waits for its end is not waited for where more work is likely to be done anyway.
                early = {
                    half: self._run_again(half, spare.pop(half), self._size_after(one.elapsed_s))
                    for half, one in waiting.items()
                    if half in spare and one.most_left >= SHARE * (self.settings.steps or 0) and not self.interrupted
                }
                self.beside.waiting += early.values()
                self._wait(*waiting.values())
                measured |= {half: self._settle(one, self.settings) for half, one in waiting.items()}
                again = [half for half, run in measured.items() if self._grows(run)]
                if self.interrupted:
                    return
                if looking is not None:
                    for half in again:
                        self._look_inside(half, measured[half], looking)
                starting = {half: spare.get(half) or self._start(half, owner) for half in again if half not in early}
                for half in again:
                    run = measured[half]
                    size = self._size_after(run.trace.elapsed_s)
                    one = early.pop(half, None) or self._run_again(half, starting[half], size)
                    measured[half] = self._with_other_sizes(run, one, size)
                    if self.interrupted:
                        return
                for one in early.values():
                    self.services.stop(one.its)
        finally:
            for half, run in measured.items():
                # Interrupted before its second run, it would only disagree with those before it.
                if run.others or not self.done[half] or not self._grows(run):
                    self.done[half].append(run)

    @property
    def _alone(self) -> bool:
        """Whether nothing may go on beside a half: a deadline is judged, or a server counts for all its clients."""
        return (
            self.options.mongo_uri is not None or bounds_of(self.entry.scenario, self.settings).deadline_s is not None
        )

    def _likely(self) -> Iterator[str]:
        """The halves that will probably run once more."""
        for half in self.paths if self.settings.steps is not None and not has_few_fds() else ():
            expected = self.entry.scenario.expected.get(half, LEAKS_NOTHING).given(self.settings)
            if half not in self.options.controls and (expected.grows or half in self.options.leaking):
                yield half

    def _look_inside(self, half: str, run: MeasuredRun, owner: Owner) -> None:
        """Begin a run of a half beside a witness. Where memory may leak, not yet: it would be there twice."""
        wanted = suspected(run.sized, bounds_of(self.entry.scenario, self.settings))
        uses_memory = any(METRICS[one.metric].unit == "bytes" for one in wanted)
        if half in self.options.controls or self._alone or uses_memory or has_few_fds():
            return
        limits, mongo_uri, runtime = self.options.limits, self.options.mongo_uri, self.runtimes[half]
        inside = Inside(self.entry, self.paths[half], self.settings, limits, mongo_uri, runtime, grows=True)
        # If it cannot be begun now, it is tried again when all is measured.
        with suppress(MeasureError):
            self.looks[half] = inside.look(wanted, run.trace.elapsed_s, self.services, owner)

    def _run_in_turn(
        self, ready: Mapping[str, Measurement], measured: dict[str, MeasuredRun]
    ) -> Mapping[str, Measurement]:
        """Run these halves one after the other; those that have left something behind which may end by itself.

        That goes on while the next one runs, but not where it would change what is measured.
        """
        waiting: dict[str, Measurement] = {}
        self.beside.waiting.clear()
        for half, one in ready.items():
            self.options.progress.begins(f"running {half_label(half)}")
            if half in self.begun:
                one.show(self.options.progress)
            self._run(one)
            if one.has_settled or self._alone or self.interrupted:
                measured[half] = self._shortest(half, self._settle(one, self.settings))
            else:
                waiting[half] = one
                self.beside.waiting.append(one)
            if self.interrupted:
                break
        return waiting

    def _wait(self, *waiting: Measurement) -> None:
        """Wait until nothing of these can change any more, or for an interrupt."""
        try:
            if not self.interrupted:
                self.beside.wait(*waiting)
        except KeyboardInterrupt:
            self.interrupted = True

    def _run_again(self, half: str, target: Target, size: int) -> Measurement:
        """Run a half with so many steps; it is still to settle."""
        self.options.progress.begins(f"running {half_label(half)} again, with {size:,} steps")
        return self._run(self._prepare(half, target, self.settings.with_steps(size)))

    @contextmanager
    def _prepared(self, half: str, settings: Settings) -> Iterator[Measurement]:
        """One half, started with so much work, ready to run; ended with the block."""
        with Owner() as owner:
            yield self._prepare(half, self._start(half, owner), settings)

    def _start(self, half: str, owner: Owner) -> Target:
        path, environment, runtime = self.paths[half], environment_of(self.entry), self.runtimes[half]
        limits, modules = self.options.limits, self.options.modules
        return ahead.take_half(owner, path, self.services, limits, environment, modules, runtime)

    def _prepare(self, half: str, target: Target, settings: Settings) -> Measurement:
        its = start_services(self.entry, settings, self.options.mongo_uri, self.services)
        self.server = its.server
        # What is shown is the run with the steps that were asked for.
        is_first = settings is self.settings
        listeners = (self.options.progress, self.beside) if is_first else (self.beside,)
        sampled_steps = SAMPLED_STEPS if is_first and half not in self.options.controls else SAMPLED_LESS
        measurement = Measurement(half, target, self.services, its, self.options.limits, listeners, sampled_steps)
        measurement.prepare(self.entry.scenario.workload(Lab(settings, its.endpoints)))
        return measurement

    def _run(self, one: Measurement) -> Measurement:
        one.run()
        self._note_interrupt(one)
        return one

    def _settle(self, one: Measurement, settings: Settings) -> MeasuredRun:
        """Wait until nothing that a half left behind can end any more, and end it."""
        if one in self.beside.waiting:
            self.beside.waiting.remove(one)
        trace = one.settle(wait=not self.interrupted)
        one.target.end()
        trace = replace(trace, shared_memory=tuple(one.target.shared_memory_left))
        self.services.stop(one.its)
        self._note_interrupt(one)
        known = self._known(one.half)
        complaint = complaint_of(self.entry.scenario, settings, one.its, trace)
        return MeasuredRun(trace, complaint, settings.steps or 0, known=known)

    def _known(self, half: str) -> tuple[tuple[str, str], ...] | None:
        """What a control half is known to do."""
        expected = self.entry.scenario.expected.get(half, LEAKS_NOTHING).given(self.settings)
        return expected.findings if half in self.options.controls else None

    def _note_interrupt(self, one: Measurement) -> None:
        self.interrupted = self.interrupted or one.was_interrupted

    def _shortest(self, half: str, first: MeasuredRun) -> MeasuredRun:
        """The shortest of some runs of a half whose answer came late, as long as the machine may be why."""
        scenario, bounds, shortest = self.entry.scenario, bounds_of(self.entry.scenario, self.settings), first

        def answer(run: MeasuredRun) -> Trace:
            return as_answer(scenario, self.settings, run.trace)

        for looks in range(2, LOOKS + 1):
            if self.interrupted or not could_be_noise(answer(shortest), bounds.deadline_s, bounds.hang_s):
                break
            with self._prepared(half, self.settings) as prepared:
                again = self._settle(self._run(prepared), self.settings)
            if self.interrupted or answer(again).outcome is not Outcome.COMPLETED:
                return again
            shortest = min(shortest, again, key=lambda run: waited(answer(run)))
            shortest = replace(shortest, trace=replace(shortest.trace, looks=looks))
        return shortest

    def _grows(self, run: MeasuredRun) -> bool:
        """Whether something in this run of a half could be growing, which a run of another size decides."""
        if not run.steps or run.known is not None or run.problem is not None:
            return False
        return bool(suspects(run.sized, bounds_of(self.entry.scenario, self.settings)))

    def _size_after(self, elapsed_s: float) -> int:
        """The steps of the second run of a half whose first took so many seconds."""
        scenario, steps = self.entry.scenario, self.settings.steps or 0
        named = None if scenario.second_steps is None else scenario.second_steps(self.settings)
        if named not in (None, steps):
            return named
        return second_size(steps, elapsed_s, self.options.limits.time_s)

    def _with_other_sizes(self, first: MeasuredRun, one: Measurement, steps: int) -> MeasuredRun:
        """A run with that of another size, which is still to settle.

        If the larger does not do its work, there is a smaller one; and if two leave it open, a third.
        """
        others = [self._settle(one, self.settings.with_steps(steps))]
        if others[0].problem is not None and steps > first.steps > 1:
            others += self._measured_again(one.half, smaller_size(first.steps))
        bounds, last = bounds_of(self.entry.scenario, self.settings), others[-1]
        if last.problem is None and (open_metrics := unclear([first.sized, last.sized], bounds)):
            elapsed_s, limit_s = last.trace.elapsed_s, self.options.limits.time_s
            third = third_size(first.steps, last.steps, open_metrics, elapsed_s, limit_s)
            others += self._measured_again(one.half, third) if third not in (first.steps, last.steps) else []
        return replace(first, others=tuple(others))

    def _measured_again(self, half: str, steps: int) -> list[MeasuredRun]:
        """A run of so many steps; none after an interrupt."""
        if self.interrupted:
            return []
        settings = self.settings.with_steps(steps)
        with self._prepared(half, settings) as prepared:
            return [self._settle(self._run(prepared), settings)]
