"""Any program measured from outside: after loads that the lab does, at two sizes or three, or by the clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

from msgspec import structs

from leaklab import sentences
from leaklab.errors import MeasureError
from leaklab.explain.asking import NOT_ASKED, ask
from leaklab.explain.explaining import Statement
from leaklab.judge.findings import Finding, Judgement, Verdict
from leaklab.judge.scaling import SizedRun, Thresholds, below_floor, suspects, unclear
from leaklab.judge.steady import judge_over_time
from leaklab.judge.verdict import judge
from leaklab.lab.explanation import with_evidence
from leaklab.lab.reruns import second_size, smaller_size, third_size
from leaklab.measure.counting import COUNTER, ConnectionCounter, Way
from leaklab.measure.load import LoadCommand, LoadFailedError, LoadTooSlowError
from leaklab.measure.program import MeasuredProgram
from leaklab.measure.run_trace import Phase, Sample, Trace
from leaklab.measure.sampler import SAMPLED_LESS, by_metric, spread
from leaklab.measure.summary import summarize
from leaklab.measure.tree import TreeProbe, TreeReading
from leaklab.metrics import COUNT_FLOOR, METRICS, FindingKind
from leaklab.sentences import LOADS
from leaklab.system.interrupts import held_back
from leaklab.system.processes import signal_name

WARM_UP_S = 30.0
"""Seconds in which the first load must succeed: until then the program may still be starting."""

AGAIN_S = 0.2
"""Seconds before it is tried again."""

SETTLE_S = 3.0
"""Seconds, at most, in which what is just ending may end."""

AT_REST_S = 0.5
"""Seconds without a change after which nothing more is expected to end."""

LOOK_S = 0.1
"""Seconds between two looks meanwhile."""

ALL_LOADS_S = 240.0
"""Seconds of which a second size may take half, as it is planned: a slow load has a smaller one."""

ENDING_S = 0.25
"""Seconds before its end in which a program may be closing what it has: a sample that was taken then says nothing."""

MOST_PROCESSES = 300
"""Processes that a program may come to have by the work of another size: they may be all that a user may have."""

MOST_SAMPLES = 4096
"""Samples that are kept by the clock: of more, every second one, and from then on there are half as many."""


class ProgramEndedError(MeasureError):
    """The program ended before anything could be measured, with this code (negative: a signal)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class TraceMoment:
    """What was read at one moment that is shown: after so many loads, or so many seconds."""

    loads: int
    at_s: float
    reading: TreeReading


@dataclass(frozen=True, slots=True)
class TracedProgram:
    """What was measured of a program.

    Attributes:
        command: how it was started; empty if it was running already.
        pid: the id of its process.
        load: the load, as it was typed; None if it was watched by the clock.
        moments: what is shown, in order: before the work, and after each size of it.
        judgement: the verdict.
        way: how its connections were counted.
        why_unknown: why they could not be; empty if they could.
        exit_code: that of the program, if it ended by itself (negative: a signal); else None.
        interrupted: whether a signal ended it early.
        retried_s: seconds until the first load succeeded; 0 if it did at once.
        fewer: why there was less work than usual; empty if there was not.
    """

    command: tuple[str, ...]
    pid: int
    load: str | None
    moments: tuple[TraceMoment, ...]
    judgement: Judgement
    way: Way
    why_unknown: str
    exit_code: int | None = None
    interrupted: bool = False
    retried_s: float = 0.0
    fewer: str = ""


@dataclass(slots=True)
class ProgramTracer:
    """Measures one program.

    Attributes:
        counter: counts the connections.
        command: how it was started; empty if it was running already.
        own: the folder of its own code, if it is to be asked which line opened what; else None.
        says: is told in words what goes on.
    """

    program: MeasuredProgram
    counter: ConnectionCounter
    command: tuple[str, ...] = ()
    own: Path | None = None
    says: Callable[[str], None] = lambda _: None
    moments: list[TraceMoment] = field(init=False, default_factory=list)
    _probe: TreeProbe = field(init=False)
    _begun: float = field(init=False)
    _done: int = field(init=False, default=0)
    _fewer: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self._probe = TreeProbe(self.program.pid)
        self._begun = time.monotonic()

    def by_loads(self, warm_up: LoadCommand, load: LoadCommand, times: int) -> TracedProgram:
        """Measure it after a load that warms it up, `times` loads after that, and if something grew, after more.

        What fails once the first size was measured is a doubt.

        Raises:
            UsageError: the load is no command.
            LoadFailedError: the load failed.
            LoadTooSlowError: a load did not end in time.
            ProgramEndedError: the program ended.
            MeasureError: it may not be read.
        """
        runs: list[tuple[Trace, SizedRun]] = []
        interrupted, retried_s, doubts = False, 0.0, list[str]()
        try:
            retried_s = self._warm_up(warm_up)
            self._settled(Phase.BASELINE, 0, [])
            for size in self._sizes(runs, times):
                self.says(f"{size:,} {'more ' if runs else ''}load{'s' if size > 1 else ''} …")
                trace = self._size(load, size)
                runs.append((trace, SizedRun(size, summarize(trace))))
            self._check_running("when all loads were done, and may have been closing what it had", ENDING_S)
        except KeyboardInterrupt:
            if not self.moments:
                raise
            if not runs:
                return self._interrupted(load.text, times)
            interrupted = True
        except MeasureError as error:
            # What leaks may well be why the program fails in the end: the first size is told all the same.
            if not runs:
                raise
            doubts.append(str(error))
        (first, run), *others = runs
        judgement = judge(first, run, Thresholds(), [other for _, other in others], doubts=doubts, words=LOADS)
        loads = sum(one.steps for _, one in runs)
        judgement = judgement if interrupted else self._explained(judgement, loads)
        return replace(self._told(judgement, load.text), interrupted=interrupted, retried_s=retried_s)

    def by_the_clock(self, every_s: float, for_s: float | None) -> TracedProgram:
        """Watch it, with a sample every so many seconds, until it ends, or so many seconds have passed, or Ctrl-C.

        Raises ProgramEndedError if it ends before the first sample, MeasureError if it may not be read.
        """
        samples: _ClockSamples | None = None
        code, interrupted = None, False
        try:
            # A signal that comes before there is anything to show comes a little later.
            with held_back():
                self.counter.wait_for_hello(self.program)
                samples = _ClockSamples(self._moment(Phase.BASELINE, self._look()))
            while for_s is None or self._now() < for_s:
                pause_s = every_s * samples.stride
                code = self.program.ended(within_s=pause_s if for_s is None else min(pause_s, for_s - self._now()))
                reading = None if code is not None else self._probe.read(anew=False)
                if reading is None:
                    code = self.program.ended(within_s=pause_s) if code is None else code
                    break
                samples.confirm(self._now() - ENDING_S)
                samples.recent.append(self._moment(Phase.CLOCK, self._counted(reading)))
            else:
                code = self.program.ended(within_s=ENDING_S)
                if code is None:
                    samples.confirm(inf)
        except KeyboardInterrupt:
            if samples is None:
                raise
            samples.confirm(inf)
            interrupted = True
        kept = samples.kept
        shown = [samples.first] if samples.last is samples.first else [samples.first, samples.last]
        self.moments += [TraceMoment(0, sample.at_s, reading) for sample, reading in shown]
        trace = Trace("program", 0, kept[-1].at_s - kept[0].at_s, 0.0, tuple(kept))
        told = self._told(judge_over_time(trace), None)
        return replace(told, exit_code=code if self.command else None, interrupted=interrupted)

    def _interrupted(self, load: str, times: int) -> TracedProgram:
        """What there is if it was interrupted before the first size was done."""
        if self._done > self.moments[-1].loads:
            with suppress(MeasureError):
                self.moments.append(TraceMoment(self._done, self._now(), self._look()))
        judgement = Judgement(Verdict.INCONCLUSIVE, doubts=(sentences.interrupted(self._done, times),))
        return replace(self._told(judgement, load), interrupted=True)

    def _told(self, judgement: Judgement, load: str | None) -> TracedProgram:
        return TracedProgram(
            command=self.command,
            pid=self.program.pid,
            load=load,
            moments=tuple(self.moments),
            judgement=judgement,
            way=self.counter.way,
            why_unknown=self.counter.why_unknown,
            fewer=self._fewer,
        )

    def _sizes(self, runs: Sequence[tuple[Trace, SizedRun]], times: int) -> Iterator[int]:
        """The sizes of the work; `runs` are those that were measured by the time the next one is asked for."""
        yield times
        if not suspects(runs[0][1], Thresholds()):
            return
        second = self._bounded(second_size(times, runs[0][0].elapsed_s, ALL_LOADS_S), times)
        yield second
        sized = [run for _, run in runs]
        open_metrics = unclear(sized, Thresholds())
        third = third_size(times, second, open_metrics, runs[1][0].elapsed_s, ALL_LOADS_S)
        if third not in (times, second) and (open_metrics or below_floor(sized, Thresholds(), third - second)):
            third = self._bounded(third, min(times, second))
            if third != second:
                yield third

    def _bounded(self, size: int, smallest: int) -> int:
        """The size; or less than the smallest one if the program would come to have too many processes."""
        before, now = self.moments[-2:]
        per_load = (_processes(now) - _processes(before)) / (now.loads - before.loads)
        foreseen = _processes(now) + per_load * size
        if per_load * size < COUNT_FLOOR or foreseen <= MOST_PROCESSES or size <= smallest:
            return size
        smaller = smaller_size(smallest)
        self._fewer = sentences.fewer_loads(smaller, size, round(foreseen), MOST_PROCESSES)
        return smaller

    def _warm_up(self, load: LoadCommand) -> float:
        """Do the first load, again and again while the program may be starting; how long that took, 0 if it did not."""
        begun, told = time.monotonic(), False
        while True:
            try:
                load.run()
            except LoadFailedError as error:
                took = time.monotonic() - begun
                self._check_running(f"before the first load succeeded ({error})")
                if took > WARM_UP_S:
                    raise MeasureError(f"the program is not ready after {took:.0f} s: {error}") from None
                if not told and took > 1:
                    self.says(f"waiting for the program: {error}")
                    told = True
                self.program.ended(within_s=AGAIN_S)
            except LoadTooSlowError as error:
                raise LoadTooSlowError(f"the first load: {error}") from None
            else:
                took = time.monotonic() - begun
                return took if told else 0.0

    def _size(self, load: LoadCommand, size: int) -> Trace:
        begun, done = time.monotonic(), self.moments[-1].loads
        baseline = self.moments[-1].reading
        samples = [Sample(Phase.BASELINE, 0, 0.0, by_metric(baseline.counters))]
        sampled = {step + 1 for step in spread(size, SAMPLED_LESS)}
        for number in range(1, size + 1):
            try:
                load.run()
            except MeasureError as error:
                self._check_running(f"in load {done + number:,}: {error}")
                raise type(error)(f"load {done + number:,} of {done + size:,}: {error}") from None
            self._done = done + number
            if number in sampled:
                samples.append(self._sample(Phase.STEP, number, self._look(anew=False)))
        elapsed_s = time.monotonic() - begun
        waited_s = self._settled(Phase.COLLECTED, size, samples, done + size)
        return Trace("program", size, elapsed_s, waited_s, tuple(samples))

    def _settled(self, phase: Phase, done: int, samples: list[Sample], loads: int = 0) -> float:
        """Look again and again until nothing changes any more, or all is as it was before; how long that took.

        The last look is the moment that is shown.
        """
        before = self.moments[-1].reading if self.moments else None
        begun = changed = time.monotonic()
        reading = self._look()
        samples.append(self._sample(Phase.SETTLING, done, reading))
        while time.monotonic() - begun < SETTLE_S and time.monotonic() - changed < AT_REST_S:
            if before is not None and not _exceeds(reading, before):
                break
            self.program.ended(within_s=LOOK_S)
            last, reading = reading, self._look()
            samples.append(self._sample(Phase.SETTLING, done, reading))
            if _exceeds(reading, last) or _exceeds(last, reading):
                changed = time.monotonic()
        samples.append(self._sample(phase, done, reading))
        self.moments.append(TraceMoment(loads, self._now(), reading))
        return time.monotonic() - begun

    def _now(self) -> float:
        """Seconds since the trace began."""
        return time.monotonic() - self._begun

    def _look(self, *, anew: bool = True) -> TreeReading:
        """What the program has now. Raises MeasureError if it has ended, or may not be looked at."""
        reading = self._probe.read(anew=anew)
        if reading is None:
            self._check_running("before it could be measured")
            raise MeasureError(f"process {self.program.pid} has ended")
        if self.program.pid in reading.unread:
            whose = "it belongs to another user. Run leaklab as that user."
            raise MeasureError(f"process {self.program.pid} may not be looked at: {whose}")
        return self._counted(reading)

    def _counted(self, reading: TreeReading) -> TreeReading:
        """The same with the connections that were opened so far, or None where that is unknown."""
        reading.counters[COUNTER] = self.counter.count(reading)
        return reading

    def _sample(self, phase: Phase, done: int, reading: TreeReading) -> Sample:
        return Sample(phase, done, self._now(), by_metric(reading.counters))

    def _moment(self, phase: Phase, reading: TreeReading) -> tuple[Sample, TreeReading]:
        """A sample of the clock, with the reading that it comes from."""
        return self._sample(phase, 0, reading), reading

    def _check_running(self, when: str, within_s: float = 0) -> None:
        """Raise ProgramEndedError if the program has ended, or does within so many seconds."""
        code = self.program.ended(within_s=within_s)
        if code is not None:
            how = f"exit code {code}" if code >= 0 else signal_name(-code)
            background = "; if it goes on in the background, have it stay in the foreground, or name it by --pid"
            raise ProgramEndedError(f"the program ended ({how}) {when}{background if code == 0 else ''}", code)

    def _explained(self, judgement: Judgement, loads: int) -> Judgement:
        """The judgement with the evidence for its findings, as far as the program can be asked."""
        if self.own is None or not judgement.findings:
            return judgement
        counters = {METRICS[one.metric].counter: one.value for one in judgement.findings}
        asked = self.counter.heard_from(self.moments[-1].reading.running)
        statement = ask(asked, self.counter.file, counters)
        findings = tuple(_evidenced(one, statement, self.own, loads) for one in judgement.findings)
        return replace(judgement, findings=findings)


@dataclass(slots=True)
class _ClockSamples:
    """The samples of a program that is watched by the clock.

    A program closes what it has before it ends. The newest samples count only once it has gone on for a while.

    Attributes:
        first: the first one, with its reading.
        kept: those that count.
        last: the last one of these, with its reading.
        recent: the newest.
        stride: how many times the time between two samples has become longer.
    """

    first: tuple[Sample, TreeReading]
    kept: list[Sample] = field(init=False)
    last: tuple[Sample, TreeReading] = field(init=False)
    recent: deque[tuple[Sample, TreeReading]] = field(init=False, default_factory=deque)
    stride: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.last = self.first
        self.kept = [self.first[0]]

    def confirm(self, until_s: float) -> None:
        """Count those that were taken by then: the program was still there long after."""
        while self.recent and self.recent[0][0].at_s <= until_s:
            self.last = self.recent.popleft()
            self.kept.append(self.last[0])
            if len(self.kept) > MOST_SAMPLES:
                self.kept, self.stride = self.kept[::2], 2 * self.stride


def _evidenced(finding: Finding, statement: Statement, own: Path, loads: int) -> Finding:
    """The finding with its evidence, or with why it has none."""
    why = statement.trouble
    if METRICS[finding.metric].counter in NOT_ASKED:
        why = f"--explain does not explain {METRICS[finding.metric].label}"
    elif finding.kind is FindingKind.HELD:
        why = "it was gone by the time the program was asked"
    return structs.replace(finding, unexplained=why) if why else with_evidence(finding, statement, own, loads)


def _processes(moment: TraceMoment) -> int:
    """How many there are, with those that have ended and were not waited for."""
    return 1 + int(sum(moment.reading.counters[name] or 0 for name in ("children", "zombies")))


ENDS = ("fds", "threads", "children", "zombies")
"""The counters of what ends a little later than the work that made it."""


def _exceeds(reading: TreeReading, before: TreeReading) -> bool:
    """Whether there is more of anything that may end than there was before."""
    return any((reading.counters.get(name) or 0) > (before.counters.get(name) or 0) for name in ENDS)
