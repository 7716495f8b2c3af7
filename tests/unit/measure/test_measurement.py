"""A run is measured: driven here with a scripted target, whose process does nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast
from unittest.mock import Mock, call

import pytest

from leaklab.measure import measurement, sampler
from leaklab.measure.measurement import Measurement
from leaklab.measure.messages import Event, HalfCollected, HalfRaised, HalfReturned, StepBegun, StepsTaken, TasksCounted
from leaklab.measure.probes import Counters, Family, SystemProbe
from leaklab.measure.run_trace import COMPLETED, Ending, Outcome, Phase, Raised, Trace
from leaklab.measure.sampler import TraceListener, spread
from leaklab.measure.source_line import SourceLine
from leaklab.measure.target import NO_MORE_PAUSES, RunEndedError, Steps, Target, TargetEndedError
from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceCounts
from leaklab.system.limits import Limits
from tests.unit.scripted import MIB

LINE = SourceLine("half.py", 3, "wait()")
RETURNED = HalfReturned(at=0.5, cpu=0.1, answer="[1]", problem=None)


class ScriptedTarget(Target):
    """Reports these events in turn; an exception in their place is raised, None is silence."""

    pid = 0
    begun = 0
    begin = collect = end = Mock()

    def __init__(self, *events: Event | BaseException | None, unprepared: Ending | None = None) -> None:
        self.events = list(events)
        self.unprepared = unprepared
        self.pauses: list[int] = []
        self.left = False

    def __exit__(self, *_: object) -> None: ...

    def prepare(self, _workload: Mapping[str, object]) -> None:
        if self.unprepared is not None:
            raise RunEndedError(self.unprepared)

    def next_event(self, _within_s: float) -> Event | None:
        event = self.events.pop(0) if self.events else None
        if isinstance(event, BaseException):
            raise event
        return event

    def steps_begun(self) -> int:
        return self.begun

    def proceed(self, pause_at: int = NO_MORE_PAUSES) -> None:
        self.pauses.append(pause_at)

    def leave(self) -> None:
        self.left = True

    def hang_location(self) -> SourceLine | None:
        return LINE

    def output(self) -> str:
        return "printed"


class ScriptedServices:
    """Counts one connection for each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def ask_counts(self, _: HalfServices) -> None:
        self.asked += 1

    def hear_counts(self, _: HalfServices) -> ServiceCounts:
        return ServiceCounts(counters={"connections": self.asked}, peaks={"sockets": 7}, routes={"profiles": 3})


@pytest.fixture(scope="module", autouse=True)
def at_rest() -> Iterator[None]:
    """What is counted of the target's process stays the same: of this one it would not."""
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: S607 # any will do
        ScriptedTarget.pid = process.pid
        yield
        process.kill()


@pytest.fixture(autouse=True)
def clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy for a moment takes no sample by the clock here."""
    monkeypatch.setattr(sampler, "CLOCK_MAX_S", 3600.0)


def measured(
    target: ScriptedTarget, *, steps: int = 0, limits: Limits | None = None, listeners: Sequence[TraceListener] = ()
) -> Trace:
    services, its = cast("Services", ScriptedServices()), HalfServices((1,), frozenset())
    run = Measurement("leaky", target, services, its, limits or Limits(), listeners)
    run.prepare({"jobs": Steps(steps)})
    run.run()
    return run.settle(wait=False)


def test_each_moment_becomes_one_sample_and_each_step_is_reported() -> None:
    listener = Mock(spec=TraceListener)
    steps = [StepBegun(done=0, at=0.1, pause=True), StepBegun(done=1, at=0.2, pause=True), StepsTaken(done=2, at=0.3)]
    target = ScriptedTarget(*steps, RETURNED, HalfCollected())
    trace = measured(target, steps=2, listeners=[listener])
    phases = [Phase.BASELINE, Phase.STEP, Phase.STEP, Phase.END, Phase.RETURNED, Phase.COLLECTED]
    assert [sample.phase for sample in trace.samples] == phases
    assert [sample.get("connections_opened") for sample in trace.samples] == [1, 2, 3, 4, 5, 6]
    assert (trace.steps, trace.elapsed_s, trace.answer, trace.output) == (2, 0.5, [1], "printed")
    assert (trace.peaks["open_sockets"], trace.requests_by_route) == (7, {"profiles": 3})
    assert trace.ending is COMPLETED
    assert target.pauses == [1, NO_MORE_PAUSES, NO_MORE_PAUSES]
    assert target.left
    assert listener.stepped.mock_calls == [call("leaky", done) for done in (0, 0, 1, 2)]


def test_an_error_of_the_half_is_its_ending_and_what_it_left_is_looked_at() -> None:
    error = Raised(("ValueError", "Exception"), "no")
    trace = measured(ScriptedTarget(HalfRaised(at=0.1, cpu=0.1, error=error), HalfCollected()))
    assert (trace.outcome, trace.ending.raised) == (Outcome.CRASHED, error)
    assert trace.samples[-1].phase is Phase.COLLECTED


@pytest.mark.parametrize(
    ("event", "outcome"),
    [(TargetEndedError("it exited with code 3"), Outcome.CRASHED), (KeyboardInterrupt(), Outcome.INTERRUPTED)],
)
def test_what_ends_a_run_early_is_its_ending(event: BaseException, outcome: Outcome) -> None:
    trace = measured(ScriptedTarget(StepBegun(done=0, at=0.1, pause=True), event), steps=3)
    assert (trace.outcome, trace.ending.place, trace.steps, trace.answer) == (outcome, None, 1, None)


def test_a_half_at_its_time_limit_is_ended_at_the_line_where_it_hangs() -> None:
    trace = measured(ScriptedTarget(), limits=Limits(time_s=0.0))
    assert (trace.outcome, trace.ending.place) == (Outcome.TIMED_OUT, LINE)


def test_a_half_beyond_a_watched_limit_is_ended() -> None:
    trace = measured(ScriptedTarget(None), limits=Limits(threads=0))
    assert trace.outcome is Outcome.CRASHED
    assert "--limit threads" in trace.ending.words


def test_a_half_that_cannot_be_made_ready_is_not_run() -> None:
    ending = Ending(Outcome.CRASHED, "it cannot be imported")
    trace = measured(ScriptedTarget(RETURNED, unprepared=ending))
    assert (trace.ending, trace.samples) == (ending, ())


def test_a_step_of_a_thread_that_was_left_behind_does_not_change_the_time() -> None:
    late = StepBegun(done=1, at=99.0, pause=False)
    assert measured(ScriptedTarget(RETURNED, late, HalfCollected()), steps=3).elapsed_s == 0.5


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (TargetEndedError("it was ended by SIGKILL"), "it was ended by SIGKILL after 699 whole steps"),
        (KeyboardInterrupt(), "it was interrupted after 699 whole steps"),
    ],
)
@pytest.mark.parametrize("before", [[], [None]], ids=["at once", "after silence"])
def test_steps_that_are_counted_without_a_word_are_steps_too(
    end: BaseException, words: str, before: list[None]
) -> None:
    """Those that the half did before it ended, whether it was sampled by the clock meanwhile or not."""
    target = ScriptedTarget(StepBegun(done=0, at=0.1, pause=True), *before, end)
    target.begun, listener = 700, Mock(spec=TraceListener)
    trace = measured(target, steps=1000, listeners=[listener])
    assert (trace.steps, trace.ending.words) == (700, words)
    assert listener.stepped.call_args == call("leaky", 699)


@pytest.mark.parametrize(("left", "counted"), [(1, 1), (None, 0)])
def test_tasks_belong_to_the_last_pause_and_those_that_are_left_to_the_end(left: int | None, counted: int) -> None:
    steps = [StepBegun(done=0, at=0.1, pause=True), TasksCounted(count=3), None, StepsTaken(done=1, at=0.3)]
    late = StepBegun(done=1, at=0.5, pause=False)
    trace = measured(ScriptedTarget(*steps, RETURNED, HalfCollected(), late, TasksCounted(count=left)), steps=1)
    phases = [Phase.BASELINE, Phase.STEP, Phase.CLOCK, Phase.END, Phase.RETURNED, Phase.COLLECTED]
    assert [trace.value("tasks", phase) for phase in phases] == [0, 3, None, None, counted, counted]


class EndingThread(SystemProbe):
    """A process whose second thread ends between the question whether anything can still end and the next reading."""

    threads = 2.0

    def read(self) -> Counters:
        return {"threads": self.threads, "fds": None}

    def family(self, _unmapped: int | None = None) -> Family:
        return Family()

    def may_change(self) -> bool:
        self.threads = 1.0
        return False


def test_what_ended_while_it_was_looked_at_is_not_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing can change any more is true of a later reading only: so it is asked before the reading."""
    monkeypatch.setattr(measurement, "SystemProbe", EndingThread)
    trace = measured(ScriptedTarget(RETURNED, HalfCollected()))
    assert trace.value("threads", Phase.RETURNED) == 2.0
    assert trace.value("threads", Phase.COLLECTED) == 1.0


@pytest.mark.parametrize("may_reset", [True, False])
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux keeps the peak of a process")
def test_the_peak_of_memory_is_exact_and_not_that_of_the_time_before(
    monkeypatch: pytest.MonkeyPatch, may_reset: bool
) -> None:
    """It is read of this very process; between the two looks no sample is taken."""
    probe = SystemProbe(os.getpid(), frozenset())
    probe.begin_peak()
    if not may_reset:
        monkeypatch.setattr(Path, "write_text", Mock(side_effect=PermissionError))

    def hold_and_free(size: int) -> float:
        """How much the peak is above what the process holds now, and held before."""
        assert len(b"x" * size) == size
        return (probe.peak().get("rss") or 0) - (probe.read()["rss"] or 0)

    hold_and_free(128 * MIB)
    probe.begin_peak()
    assert (abs(hold_and_free(64 * MIB) - 64 * MIB) < MIB) is may_reset
    assert abs(hold_and_free(256 * MIB) - 256 * MIB) < MIB


@pytest.mark.parametrize(("steps", "most"), [(0, 4), (3, 4), (4, 4), (5, 4), (1_000, 64)])
def test_sampled_steps_are_spread_evenly_and_begin_with_the_first(steps: int, most: int) -> None:
    found = spread(steps, most)
    assert len(found) == min(steps, most)
    assert not found or found[0] == 0
    gaps = {later - earlier for earlier, later in pairwise(found)}
    assert not gaps or max(gaps) - min(gaps) <= 1
