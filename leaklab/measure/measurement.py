"""Measures one target from outside, from its baseline to what it leaves behind: one run becomes one trace."""

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from leaklab.measure.messages import Event, HalfCollected, HalfRaised, HalfReturned, StepBegun, StepsTaken, TasksCounted
from leaklab.measure.probes import Counters, SystemProbe
from leaklab.measure.run_trace import COMPLETED, Ending, Outcome, Phase, Sample, Trace
from leaklab.measure.sampler import CLOCK_MAX_S, SAMPLED_STEPS, Sampler, StepClock, TraceListener, by_metric
from leaklab.measure.target import LOAD_WITHIN_S, RunEndedError, Steps, Target, TargetEndedError, timed_out
from leaklab.metrics import METRICS, Judge
from leaklab.services.client import COUNTS_WITHIN_S, HalfServices, Services, ServicesBusyError
from leaklab.system.limits import Limits
from leaklab.system.machine import most_memory
from leaklab.units import format_size

CLOCK_S = 0.1
"""Seconds without a sample after which one is taken by the clock, while a step goes on; doubling up to CLOCK_MAX_S."""

AFTER_STEPS_S = 0.005
"""Seconds from the last step to the first sample by the clock; later pauses are a tenth of the time since."""

SETTLE_S = 2.0
"""Seconds that are waited, at most, for what is just ending: pymongo's background thread kills the cursors it was left
with once a second."""

COLLECT_WITHIN_S = 5.0
"""Seconds in which garbage may be collected, whatever the limit of time is."""

SETTLE_LOOK_S = (0.001, 0.1)
"""Seconds between two looks while waiting: the first pause, and what it doubles up to."""

SURVIVING = (Judge.LEFT_OPEN, Judge.LEFT_BEHIND)
"""How the metrics are judged of which something may be left."""

ADDRESS_SLACK = 8 * 2**30
"""Bytes of address space above the limit of memory at which the system stops a half that allocates faster than it is
watched: stacks and arenas of threads reserve far more addresses than they ever use (64 MiB an arena, 8 MiB a stack)."""


@dataclass(slots=True, eq=False)
class Measurement:
    """One run of a target: prepared, run, settled. The target was started before, and is ended by its owner.

    Attributes:
        half: what the target is called.
        its: the services of this target.
        sampled_steps: at how many steps a sample is taken, at most.
        ending: how the run ended, once it has.
        was_interrupted: whether the lab was interrupted meanwhile.
        most_left: how much more than at the baseline is left of what there is most of, by the last look.
    """

    half: str
    target: Target
    services: Services
    its: HalfServices
    limits: Limits
    listeners: Sequence[TraceListener] = ()
    sampled_steps: int = SAMPLED_STEPS
    ending: Ending = field(init=False, default=COMPLETED)
    was_interrupted: bool = field(init=False, default=False)
    most_left: float = field(init=False, default=0.0)
    _settled: bool = field(init=False, default=True)
    _cpu_wait_s: float | None = field(init=False, default=None)
    _awaited_s: float | None = field(init=False, default=None)
    _clock: StepClock = field(init=False, default_factory=StepClock)
    _sampler: Sampler = field(init=False)
    _memory: int = field(init=False)
    _peak: Mapping[str, float] = field(init=False, default_factory=dict)
    _heard_at: float = field(init=False, default=0.0)
    _left_at: float | None = field(init=False, default=None)
    _collected_at: float | None = field(init=False, default=None)
    _waited_s: float = field(init=False, default=0.0)
    _following: Generator[float, Event | None, None] | None = field(init=False, default=None)
    _has_begun: bool = field(init=False, default=False)
    _due_at: float = field(init=False, default=0.0)
    _look_at: float = field(init=False, default=0.0)
    _look_pause_s: float = field(init=False, default=SETTLE_LOOK_S[0])
    _answer: object = field(init=False, default=None)
    _cpu_s: float | None = field(init=False, default=None)
    _last_seen: Sequence[float | None] = field(init=False, default=())
    _changed_at: float = field(init=False, default=0.0)

    def prepare(self, workload: Mapping[str, object]) -> None:
        """Hand over the workload and wait until the target is ready.

        A target that cannot be made ready is not an error here: the trace reports how it ended.
        """
        # The lab's own services listen on 127.0.0.1; only a real server may be reached by IPv6.
        kind = "tcp" if self.its.is_remote else "tcp4"
        system = SystemProbe(self.target.pid, self.its.ports, kind, self.target.folder)
        runtime = self.target.runtime
        steps = max((value.count for value in workload.values() if isinstance(value, Steps)), default=0)
        self._sampler = Sampler(
            self.half, system, self.services, self.its, steps, self._clock, self.listeners, self.sampled_steps,
            inside=self.target.counts_inside, unread=runtime.unread,
        )  # fmt: skip
        self._memory = self.limits.memory or most_memory()
        try:
            self.target.prepare(workload)
        except RunEndedError as error:
            self.ending = error.ending
        except ServicesBusyError:
            words = f"it was ended, as it kept the services so busy that they did not answer for {COUNTS_WITHIN_S:g} s"
            self.ending = Ending(Outcome.TIMED_OUT, words, self.target.hang_location())
        except TargetEndedError as error:
            words = f"{error} while it was {self.target.runtime.loaded}"
            self.ending = Ending(Outcome.CRASHED, words, error.place)

    def run(self) -> None:
        """Let the target do its work, to the end or to a limit, and sample it; `settle` is to follow.

        Raises MeasureError, as `settle` does, if the services' process is gone.
        """
        try:
            if not self._has_begun:
                self.begin()
            while not self.advance(wait=True):
                pass
        except KeyboardInterrupt as interrupt:
            if self._following is None:
                raise
            # It came between two of its steps.
            self._go_on(interrupt)

    def begin(self) -> None:
        """Let the target begin its work, which `advance` follows, or `run`. Raises as `run`."""
        self._has_begun = True
        if self.ending is COMPLETED:
            self._following = self._followed()
            self._go_on(None)

    def show(self, listener: TraceListener) -> None:
        """Have `listener` follow a measurement that has begun; it is given the samples taken so far."""
        self.listeners = self._sampler.listeners = (listener, *self.listeners)
        for sample in self._sampler.samples:
            listener.sampled(self.half, sample)

    def advance(self, *, wait: bool) -> bool:
        """Follow the target as far as it has come, or `wait` until it comes farther; whether its run is over.

        Raises as `run`.
        """
        if self._following is None:
            return True
        event: Event | BaseException | None
        try:
            event = self.target.next_event(max(0.0, self._due_at - time.monotonic()) if wait else 0.0)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 # it is for what follows the target
            event = error
        if event is not None or self._due_at <= time.monotonic():
            self._go_on(event)
        return self._following is None

    def _go_on(self, event: Event | BaseException | None) -> None:
        """Have what follows the target take an event, or silence, and note how long it waits for the next one."""
        following = self._following
        if following is None:
            return
        try:
            wait_s = following.throw(event) if isinstance(event, BaseException) else following.send(event)
        except StopIteration:
            self._following = None
        except BaseException:
            self._following = None
            raise
        else:
            self._due_at = time.monotonic() + wait_s

    def _followed(self) -> Generator[float, Event | None, None]:
        """Follow the target from its baseline to what it leaves: yields how long it waits for an event, and gets it."""
        sampler = self._sampler
        sampler.moment(Phase.BASELINE)
        sampler.system.begin_peak()
        cpu_before, wait_before = sampler.family.cpu_s, sampler.system.cpu_wait()
        with self._recording_the_ending():
            self._report_step()
            self._heard_at = time.monotonic()
            has, room = sampler.system.address_space(), self.limits.address_room or self._memory + ADDRESS_SLACK
            self.target.begin(address_space=None if has is None else has + room, file_size=self._memory)
            event = yield from self._follow()
            self._left_at = self._heard_at
            waited = sampler.system.cpu_wait()
            self._cpu_wait_s = None if waited is None or wait_before is None else max(0.0, waited - wait_before)
            self._cpu_s = event.cpu + sampler.system.family().cpu_s - cpu_before
            match event:
                case HalfReturned():
                    self._answer = event.value()
                case HalfRaised(error=error):
                    is_interrupt = error.kinds[0] == KeyboardInterrupt.__name__
                    outcome = Outcome.INTERRUPTED if is_interrupt else Outcome.CRASHED
                    self.ending = Ending(outcome, f"it {event.did} {error}", error.source_line(), error)
            sampler.moment(Phase.RETURNED)
            self._awaited_s = sampler.counts.waited_s
            self.target.collect()
            self._await_collection()
            self._settled = False
            self._collected_at = time.monotonic()
            self._look()
        self._peak = sampler.system.peak()

    @property
    def elapsed_s(self) -> float:
        """Seconds that its work has taken so far."""
        return self._clock.at_s

    @property
    def has_settled(self) -> bool:
        """Whether nothing that is left can change any more, or nothing is left to be waited for."""
        return self._settled

    def look_again(self) -> float:
        """Look again at what is left, if it is time to; seconds until the next look is due."""
        if not self._settled and self._look_at <= time.monotonic():
            self._look()
        return self._look_at - time.monotonic()

    def settle(self, *, wait: bool = True) -> Trace:
        """Look, wait, look again, until nothing is left above the baseline or nothing can change any more.

        What a target leaves behind, such as pymongo's threads, ends meanwhile. Unless it is to `wait` between looks,
        there is one more.
        """
        if self._collected_at is not None:
            with self._recording_the_ending():
                while not self._settled:
                    time.sleep(max(0.0, self._look_at - time.monotonic()) if wait else 0)
                    self._look(last=not wait)
                self.target.leave()
                self._count_tasks_left()
        counts = self._sampler.counts
        return Trace(
            half=self.half,
            steps=self._clock.begun,
            elapsed_s=self._clock.at_s,
            waited_s=self._waited_s,
            samples=tuple(self._sampler.samples),
            peaks=by_metric({**counts.peaks, **self._peak}),
            answer=self._answer,
            ending=self.ending,
            output=self.target.output(),
            requests_by_route=counts.routes,
            cpu_s=self._cpu_s,
            cpu_wait_s=self._cpu_wait_s,
            answers_awaited_s=self._awaited_s,
        )

    @contextlib.contextmanager
    def _recording_the_ending(self) -> Iterator[None]:
        """Whatever ends the run before its time, a Ctrl-C included, becomes its ending."""
        clock = self._clock
        try:
            yield
        except RunEndedError as error:
            self.ending = error.ending
        except ServicesBusyError:
            words = f"it was ended, as it kept the services so busy that they did not answer for {COUNTS_WITHIN_S:g} s"
            self.ending = Ending(Outcome.TIMED_OUT, words, self.target.hang_location())
        except TargetEndedError as error:
            self._count_steps()
            self._advance()
            if self.ending is COMPLETED:
                after = f"after {clock.done} whole steps" if self._left_at is None else "after run() had returned"
                self.ending = Ending(Outcome.CRASHED, f"{error} {after}", error.place)
        except KeyboardInterrupt:
            self.was_interrupted = True
            self._count_steps()
            self._watch()
            self.ending = Ending(Outcome.INTERRUPTED, f"it was interrupted after {clock.done} whole steps")

    def _follow(self) -> Generator[float, Event | None, HalfReturned | HalfRaised]:
        """Take the steps as they come, and samples by the clock between them, until the target's work is over."""
        stop_at = time.monotonic() + self.limits.time_s
        at_the_latest = stop_at + self.limits.time_s
        tick = CLOCK_S
        while (now := time.monotonic()) < stop_at:
            event = yield min(tick, stop_at - now)
            if event is None and self._count_steps():
                # A half that steps on and on is watched as well as one that does not.
                if self._sampler.due_in_s <= 0:
                    self._watch(sockets=False)
                tick = min(CLOCK_S, self._sampler.due_in_s)
            elif event is None:
                self._watch()
                # Of a half that takes its items before it does its work, only the clock sees the work.
                after_s = time.monotonic() - self._heard_at
                tick = min(after_s / 10 + AFTER_STEPS_S if self._is_past_steps else tick * 2, CLOCK_MAX_S)
            else:
                self._heard_at = time.monotonic()
                if isinstance(event, HalfReturned | HalfRaised):
                    self._count_steps()
                    self._clock.at_s = event.at
                    return event
                before = time.monotonic()
                self._take_step(event)
                # The pauses are the lab's own time, but a half that pauses all the time gets no more for it.
                stop_at = min(stop_at + time.monotonic() - before, at_the_latest)
                tick = AFTER_STEPS_S if self._is_past_steps else CLOCK_S
                if self._sampler.due_in_s <= 0:
                    self._watch(sockets=False)
            self._check_limits()
        self._watch()
        raise timed_out(self.target, f"it was ended at its time limit of {self.limits.time_s:g} s (--limit time)")

    @property
    def _is_past_steps(self) -> bool:
        """Whether the target has taken all of its items, if it has more than one."""
        return 1 < self._sampler.steps <= self._clock.begun

    def _take_step(self, event: Event) -> None:
        """Do what a step needs: count it, sample it, let the target go on."""
        clock, sampler = self._clock, self._sampler
        match event:
            case StepBegun(done=done, at=at, pause=pause):
                clock.done = done
                clock.begun = max(clock.begun, done + 1)
                self._advance(at)
                if pause:
                    sampler.step()
                    self.target.proceed(sampler.next_pause(done))
            case StepsTaken(done=done, at=at):
                clock.done = done
                self._advance(at)
                sampler.moment(Phase.END)
                self.target.proceed()
            case TasksCounted(count=count):
                # What is said after a pause belongs to it.
                if count is not None:
                    sampler.count_tasks(count, (Phase.STEP, Phase.END))
                return
        self._report_step()
        self._heard_at = time.monotonic()

    def _count_steps(self) -> bool:
        """Read how many steps the target has begun without reporting them; whether there are new ones."""
        begun = self.target.steps_begun()
        if begun <= self._clock.begun:
            return False
        self._clock.begun, self._clock.done = begun, begun - 1
        self._advance()
        self._report_step()
        return True

    def _await_collection(self) -> None:
        """Wait until garbage is collected; threads that the half left behind may go on taking steps meanwhile."""
        within_s = min(LOAD_WITHIN_S, max(COLLECT_WITHIN_S, self.limits.time_s))
        until = time.monotonic() + within_s
        while (left_s := until - time.monotonic()) > 0 and (event := self.target.next_event(left_s)) is not None:
            if isinstance(event, HalfCollected):
                return
            self._take_step(event)
        words = (
            f"it came to no end within {within_s:g} s after run was left: garbage is collected then, and what "
            "has a __del__ runs it"
        )
        raise timed_out(self.target, words)

    def _count_tasks_left(self) -> None:
        """Hear how many asyncio tasks are left; a target that has ended, or cannot go on, does not say it."""
        until = time.monotonic() + SETTLE_S
        with contextlib.suppress(TargetEndedError):
            # Threads that were left behind may have begun steps, too.
            while (event := self.target.next_event(until - time.monotonic())) is not None:
                if isinstance(event, TasksCounted):
                    # Without asyncio there are none.
                    self._sampler.count_tasks(event.count or 0, (Phase.RETURNED,), (Phase.COLLECTED,))
                    return

    def _look(self, *, last: bool = False) -> None:
        """Read what is left after collection, and decide whether another look is worth waiting for."""
        sampler, baseline = self._sampler, self._sampler.samples[0]
        if self._look_at:
            self._waited_s = time.monotonic() - (self._collected_at or 0.0)
        # Asked before the reading: what ends in between is gone in the reading, or will be looked at again.
        may_change = sampler.system.may_change()
        counters = sampler.look()
        may_change = may_change and not self._is_quiet(counters)
        left = [
            (counters.get(metric.counter) or 0) - (baseline.get(metric.name) or 0)
            for metric in METRICS.values()
            if metric.judge in SURVIVING and metric.counter not in self.target.runtime.unread
        ]
        self.most_left = max(left)
        self._settled = last or self.most_left <= 0 or not may_change or self._waited_s >= SETTLE_S
        # After return the half's other threads go on, also while garbage is collected and looks are taken.
        after_s = time.monotonic() - (self._left_at or 0.0)
        sampler.keep(Phase.COLLECTED if self._settled else Phase.SETTLING, counters, after_s)
        self._look_at = time.monotonic() + self._look_pause_s
        self._look_pause_s = min(self._look_pause_s * 2, SETTLE_LOOK_S[1])

    def _is_quiet(self, counters: Counters) -> bool:
        """Whether nothing changes any more, of a target of which that can be said."""
        runtime, now = self.target.runtime, time.monotonic()
        counted = [
            metric.counter for metric in METRICS.values() if metric.judge in SURVIVING and metric.unit == "count"
        ]
        judged = [counters.get(name) for name in counted if name not in runtime.unread]
        if judged != self._last_seen or self._sampler.counts.answers_due:
            self._last_seen, self._changed_at = judged, now
        return runtime.quiet_s is not None and now - self._changed_at >= runtime.quiet_s

    def _check_limits(self) -> None:
        """End the run if the target is beyond one of the watched limits."""
        counters, family = self._sampler.counters, self._sampler.family
        rss = counters.get("rss") or 0
        threads = (counters.get("threads") or 0) + family.threads
        running = family.running or 0
        children = f"{running:,} child process" + ("es" if running != 1 else "")
        among = f", {children} included" if running else ""
        if rss > self._memory:
            limit = f"memory limit of {format_size(self._memory)} (--limit memory): it held {format_size(rss)}{among}"
        elif threads > self.limits.threads:
            limit = f"limit of {self.limits.threads:,} threads (--limit threads): it had {threads:,.0f}{among}"
        else:
            return
        raise RunEndedError(Ending(Outcome.CRASHED, f"it was ended at its {limit}"))

    def _watch(self, *, sockets: bool = True) -> None:
        self._advance()
        self._sampler.watch(sockets=sockets)

    def _advance(self, at_s: float | None = None) -> None:
        """Set the clock to what the target reports, or let it run on; once the target's work is over, it stands."""
        if self._left_at is None:
            now = time.monotonic()
            self._clock.at_s = self._clock.at_s + now - self._heard_at if at_s is None else at_s
            self._heard_at = now

    def _report_step(self) -> None:
        for listener in self.listeners:
            listener.stepped(self.half, self._clock.done)


class WaitingTargets(TraceListener):
    """Looks after targets that only wait while another one runs. It listens to that one, and works in its pauses.

    Attributes:
        running: measurements of targets that wait for an answer: their events are handled.
        waiting: measurements of targets whose work is done, but which may still end something: they are looked at.
    """

    def __init__(self) -> None:
        self.running: Sequence[Measurement] = ()
        self.waiting: list[Measurement] = []

    def sampled(self, _half: str, sample: Sample) -> None:
        """Handle the events of the running ones, and look again at those that are due."""
        # Not at a look itself.
        if sample.phase not in (Phase.SETTLING, Phase.COLLECTED):
            for one in self.running:
                one.advance(wait=False)
            self._look_again()

    def wait(self, *until: Measurement) -> None:
        """Look at all of them again and again, until nothing of these can change any more."""
        while any(one in self.waiting for one in until):
            time.sleep(max(0.0, self._look_again()))

    def _look_again(self) -> float:
        """Look at those for which it is time; seconds until one is to be looked at next."""
        due: list[float] = []
        for one in [*self.waiting]:
            # If the services are too busy to answer, that is its end, when it is settled.
            with contextlib.suppress(ServicesBusyError):
                due.append(one.look_again())
                if not one.has_settled:
                    continue
            self.waiting.remove(one)
        return min(due, default=0.0)
