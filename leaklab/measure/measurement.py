"""Runs one half in a worker process and measures it from outside: one half → one trace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaklab.content.declaration import Steps
from leaklab.measure.channel import DisturbedError, Line, LostError
from leaklab.measure.messages import answer_of, as_json, place_of, raised_of
from leaklab.measure.probes import NOBODY, Family, Probe, Reading
from leaklab.measure.source_line import SourceLine
from leaklab.measure.trace import Ending, Outcome, Phase, Raised, Sample, Trace
from leaklab.metrics import METRICS, Judge
from leaklab.services.client import HalfServices, ServiceCounts, Services
from leaklab.system.interrupts import held_back
from leaklab.system.limits import Limits
from leaklab.system.machine import descriptor_limits, limit_names, most_memory
from leaklab.system.processes import Child, start_child
from leaklab.units import format_size

SAMPLED_STEPS = 64
"""Steps at which a sample is taken; of more steps, an even spread of so many. Each pause costs the half CPU time, a
little for the message and more as its own code goes on with cold caches; by fewer readings growth is judged worse."""

SOCKET_LOOKS = 6
"""Steps at which open sockets are read too, the dearest of the readings; their descriptors are read at every sample."""

CLOCK_S = 0.1
"""Seconds without a sample after which one is taken by the clock, while a step goes on; doubling up to CLOCK_MAX_S."""

CLOCK_MAX_S = 0.25
"""Seconds: what allocates without end takes some hundred MiB in this time, and then it is stopped."""

SETTLE_S = 2.0
"""Seconds that are waited, at most, for what is just ending: pymongo's background thread kills the cursors it was left
with once a second."""

SETTLE_LOOK_S = (0.001, 0.1)
"""Seconds between two looks while waiting: the first pause, and what it doubles up to."""

LOAD_WITHIN_S = 30.0
"""Seconds in which a half must be imported."""

LONGEST_LIFETIME_S = 2**31 - 1
"""Seconds: the most that the system takes (alarm(2), by Python's documentation of `signal.alarm` a C int)."""

WORKER = Path(__file__).with_name("worker.py")


ADDRESS_SLACK = 8 * 2**30
"""Bytes of address space above the limit of memory at which the system stops a half that allocates faster than it is
watched: stacks and arenas of threads reserve far more addresses than they ever use (64 MiB an arena, 8 MiB a stack)."""


Progress = Callable[[str, int], None]
"""Called with the half's name and how many steps it has done."""


def no_progress(half: str, done: int) -> None:
    """Show nothing."""


def spread(steps: int, most: int) -> list[int]:
    """At most `most` of the step numbers 0 … `steps` - 1, evenly spread, the first always among them."""
    if steps <= most:
        return list(range(steps))
    return sorted({index * steps // most for index in range(most)})


@dataclass(slots=True)
class _Plan:
    """Which steps are sampled, and at which of them open sockets are read."""

    pauses: list[int]
    looks: frozenset[int]

    @classmethod
    def of(cls, steps: int) -> _Plan:
        pauses = spread(steps, SAMPLED_STEPS)
        return cls(pauses, frozenset(pauses[index] for index in spread(len(pauses), SOCKET_LOOKS)))

    def after(self, done: int) -> int:
        """The next step to pause at; past the last, a number that is never reached."""
        return next((pause for pause in self.pauses if pause > done), 2**62)


FEW_ADDRESSES = {"MALLOC_ARENA_MAX": "1"}
"""For a half whose addresses are limited: else glibc reserves 64 MiB of them for each of its first threads (mallopt(3),
M_ARENA_MAX), and it would run out of what nobody uses."""


@dataclass(slots=True)
class HalfRun:
    """One half on its way to a trace: started, made ready, run.

    A context manager, to be entered by an Owner: at its end the process is gone.
    """

    half: str
    path: Path
    services: Services
    limits: Limits = field(default_factory=Limits)
    progress: Progress = no_progress
    interrupted: bool = field(init=False, default=False)
    _child: Child = field(init=False)
    _line: Line = field(init=False)
    _its: HalfServices = field(init=False)
    _probe: Probe = field(init=False)
    _plan: _Plan = field(init=False)
    _samples: list[Sample] = field(init=False, default_factory=list)
    _counts: ServiceCounts = field(init=False, default_factory=lambda: ServiceCounts({}, {}, {}))
    _steps: int = field(init=False, default=0)
    _done: int = field(init=False, default=0)
    _round: int = field(init=False, default=0)
    _at: float = field(init=False, default=0.0)
    _since: float = field(init=False, default=0.0)
    _sampled: float = field(init=False, default=0.0)
    _family: Family = field(init=False, default=NOBODY)
    _running: bool = field(init=False, default=False)
    _outcome: Outcome = field(init=False, default=Outcome.COMPLETED)
    _answer: object = field(init=False, default=None)
    _ending: Ending | None = field(init=False, default=None)
    _waited: float = field(init=False, default=0.0)
    _collected: float | None = field(init=False, default=None)
    _settled: bool = field(init=False, default=False)
    _returned: float = field(init=False, default=0.0)
    _cpu: float | None = field(init=False, default=None)
    _cpu_before: float = field(init=False, default=0.0)
    _ended: bool = field(init=False, default=False)
    _memory: int = field(init=False, default=0)

    def __enter__(self) -> HalfRun:
        """Start the worker; it imports the half while the services start."""
        self._child = start_child(WORKER, {} if self.limits.address_room is None else FEW_ADDRESSES)
        try:
            self.services.guard(self._child)
            self._line = Line(self._child, self.services, self.limits.output)
            limits = limit_names(descriptors=self.limits.descriptors or descriptor_limits()[1])
            self._line.say({"half": str(self.path), "limits": dict(limits), "lifetime": int(LOAD_WITHIN_S * 2)})
        except BaseException:
            self._child.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker and whatever it started."""
        self.end()

    def end(self) -> None:
        """End the worker and whatever it started; a second call does nothing."""
        with held_back():
            if not self._ended:
                self._ended = True
                self._line.close()
                self._child.end()
                self.services.release(self._child)

    def make_ready(self, its: HalfServices, workload: Mapping[str, object]) -> None:
        """Hand over the workload and wait until the half is imported.

        A half that cannot be imported is no error here: `run` then tells how it ended.
        """
        self._its = its
        self._probe = Probe(self._child.pid, self.services, its)
        self._memory = self.limits.memory or most_memory()
        steps = [value.count for value in workload.values() if isinstance(value, Steps)]
        self._plan = _Plan.of(max(steps, default=0))
        try:
            within = min(LOAD_WITHIN_S, self.limits.time_s)
            message = self._line.hear(within)
            if message is None:
                self._fail(
                    Outcome.TIMED_OUT,
                    f"it was not imported within {within:g} s (--limit time)",
                    self._line.where(self.path.parent),
                )
                return
            if message["say"] == "unloadable":
                error = message["error"]
                self._fail(Outcome.CRASHED, f"it cannot be imported: {raised_of(error)}", place_of(error))
                return
            self._line.say({"workload": {name: as_json(value) for name, value in workload.items()}})
            if self._line.hear(LOAD_WITHIN_S) is None:
                self._fail(
                    Outcome.TIMED_OUT,
                    f"it was imported, and did not come to rest within {LOAD_WITHIN_S:g} s",
                    self._line.where(self.path.parent),
                )
        except LostError as error:
            self._lost(error, "while it was imported")

    def run(self) -> None:
        """Let the half run to its end, or to a limit, and measure it; `settle` is to follow.

        Raises:
            MeasureError: the services' process is gone.
        """
        if self._ending is not None:
            return
        self._sample(Phase.BASELINE, sockets=True)
        self._cpu_before = self._probe.family().cpu_s
        with self._told_how_it_ends():
            self.progress(self.half, 0)
            self._running = True
            self._since = time.monotonic()
            limits = limit_names(address_space=self._address_space(), file_size=self._memory)
            # Whatever becomes of the lab and its guard, the worker does not outlive this.
            lifetime = min(LONGEST_LIFETIME_S, int(self.limits.time_s * 2 + LOAD_WITHIN_S * 2))
            self._line.say({"do": "run", "limits": dict(limits), "lifetime": lifetime})
            self._follow()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    @property
    def settled(self) -> bool:
        """Whether nothing more can end of what the half left behind: no look is worth waiting for."""
        return self._settled or self._collected is None

    def settle(self, *, wait: bool = True) -> Trace:
        """Look, wait, look again, until nothing is left above the baseline or nothing can change any more.

        What a half leaves behind, such as pymongo's threads, ends meanwhile, also while another half is run.

        Args:
            wait: whether to wait between looks; if not, there is one more.

        Raises:
            MeasureError: the services' process is gone.
        """
        if self._collected is not None:
            with self._told_how_it_ends():
                pause, longest = SETTLE_LOOK_S
                while not self._settled:
                    time.sleep(pause if wait else 0)
                    pause = min(pause * 2, longest)
                    self._look(last=not wait)
                self._line.say({"do": "leave"})
        self._line.drain_output()
        return self._trace()

    @contextlib.contextmanager
    def _told_how_it_ends(self) -> Iterator[None]:
        """Whatever ends the half before its time, a Ctrl-C included, is its outcome."""
        try:
            yield
        except LostError as error:
            self._lost(error, f"after {self._done} whole steps")
        except KeyboardInterrupt:
            self.interrupted = True
            self._sample(Phase.CLOCK, sockets=True)
            self._fail(Outcome.CRASHED, f"it was interrupted after {self._done} whole steps")

    def _trace(self) -> Trace:
        return Trace(
            half=self.half,
            outcome=self._outcome,
            steps=self._steps,
            elapsed_s=self._at,
            waited_s=self._waited,
            samples=tuple(self._samples),
            peaks=self._counts.peaks,
            answer=self._answer,
            ending=self._ending,
            output=self._line.output(),
            requests_by_route=self._counts.routes,
            cpu_s=self._cpu,
        )

    def _follow(self) -> None:
        """Answer the worker's messages, and sample by the clock between them, until it has collected."""
        stop_at = time.monotonic() + self.limits.time_s
        tick = CLOCK_S
        while True:
            now = time.monotonic()
            if now >= stop_at and self._running:
                self._sample(Phase.CLOCK, sockets=True)
                self._fail(
                    Outcome.TIMED_OUT,
                    f"it was ended at its time limit of {self.limits.time_s:g} s (--limit time)",
                    self._line.where(self.path.parent),
                )
                return
            message = self._line.hear(min(tick, max(0.0, stop_at - now)) if self._running else LOAD_WITHIN_S)
            if message is None:
                if self._running:
                    self._sample(Phase.CLOCK, sockets=True)
                    if beyond := self._beyond():
                        self._fail(Outcome.CRASHED, f"it was ended at its {beyond}")
                        return
                    tick = min(tick * 2, CLOCK_MAX_S)
                    continue
                self._fail(
                    Outcome.TIMED_OUT,
                    f"it came to no end within {LOAD_WITHIN_S:g} s after run was left: garbage is collected then, and "
                    "what has a __del__ runs it",
                    self._line.where(self.path.parent),
                )
                return
            tick = CLOCK_S
            if self._follow_one(message):
                return
            if self._running and time.monotonic() - self._sampled >= CLOCK_MAX_S:
                # A half that steps on and on is watched as well as one that does not.
                self._sample(Phase.CLOCK, sockets=False)
            if self._running and (beyond := self._beyond()):
                self._fail(Outcome.CRASHED, f"it was ended at its {beyond}")
                return

    def _follow_one(self, message: dict[str, Any]) -> bool:
        """Do what one message needs; True at the last one."""
        self._at = message.get("at", self._at)
        self._since = time.monotonic()
        match message["say"]:
            case "step":
                if message["done"] == 0 and self._steps:
                    self._round += 1
                self._done = message["done"]
                self._steps = max(self._steps, self._done + 1)
                if message["pause"]:
                    self._sample(Phase.STEP, sockets=self._done in self._plan.looks)
                    self._line.say({"next": self._plan.after(self._done)})
            case "end":
                self._done = message["done"]
                self._sample(Phase.END, sockets=True)
                self._line.say({"next": 2**62})
            case "returned":
                self._running = False
                self._returned = self._since
                self._cpu = message["cpu"] + self._probe.family().cpu_s - self._cpu_before
                self._answer = answer_of(message["answer"], message["problem"])
                self._sample(Phase.RETURNED, sockets=True)
                self._line.say({"do": "collect"})
            case "raised":
                self._running = False
                self._returned = self._since
                raised = raised_of(message["error"])
                self._fail(Outcome.CRASHED, f"it raised {raised}", place_of(message["error"]), raised)
                self._sample(Phase.RETURNED, sockets=True)
                self._line.say({"do": "collect"})
            case "collected":
                self._collected = time.monotonic()
                self._look()
                return True
        if not self._round:
            self.progress(self.half, self._done)
        self._since = time.monotonic()
        return False

    def _look(self, *, last: bool = False) -> None:
        """Read what is left of a half that has collected, and tell whether it is worth waiting for less."""
        assert self._collected is not None  # noqa: S101 # whoever calls has heard so
        baseline = self._samples[0]
        # The first look waits for nothing: how long it takes itself is no time that anything was given.
        first = self._samples[-1].phase is not Phase.SETTLING
        self._waited = 0.0 if first else time.monotonic() - self._collected
        # Asked before the reading: what ends in between is gone in the reading, or will be looked at again.
        may_change = self._probe.may_change()
        reading = self._probe.read(sockets=True, children=True)
        left = any(
            (value or 0) > (baseline.get(name) or 0)
            for name, value in reading.values.items()
            if METRICS[name].judge is Judge.LEFT_OPEN
        )
        self._settled = last or not left or not may_change or self._waited >= SETTLE_S
        self._keep(Phase.COLLECTED if self._settled else Phase.SETTLING, reading)

    def _address_space(self) -> int | None:
        """Bytes of address space the half may have: what it has when it is imported, and the room it is given."""
        room = self.limits.address_room or self._memory + ADDRESS_SLACK
        has = self._probe.address_space()
        return None if has is None else has + room

    def _beyond(self) -> str | None:
        """Which of the watched limits the half is beyond, in words; None if none."""
        last, family = self._samples[-1], self._family
        rss = (last.get("rss") or 0) + family.rss
        threads = (last.get("threads") or 0) + family.threads
        children = f"{family.processes:,} child process" + ("es" if family.processes != 1 else "")
        among = f", {children} included" if family.processes else ""
        if rss > self._memory:
            return f"memory limit of {format_size(self._memory)} (--limit memory): it held {format_size(rss)}{among}"
        if threads > self.limits.threads:
            return f"limit of {self.limits.threads:,} threads (--limit threads): it had {threads:,.0f}{among}"
        return None

    def _sample(self, phase: Phase, *, sockets: bool) -> None:
        if phase is Phase.CLOCK:
            now = time.monotonic()
            self._at += now - self._since
            self._since = now
            self._family = self._probe.family()
        self._keep(phase, self._probe.read(sockets=sockets, fresh=phase is not Phase.STEP))

    def _keep(self, phase: Phase, reading: Reading) -> None:
        # After return the half's other threads go on, also while it collects and is looked at.
        after_return = phase in (Phase.SETTLING, Phase.COLLECTED)
        at = self._at + time.monotonic() - self._returned if after_return else self._at
        self._counts = reading.counts
        self._sampled = time.monotonic()
        self._samples.append(Sample(phase, self._done, at, reading.values, reading.counts.answers_due, self._round))

    def _fail(
        self, outcome: Outcome, words: str, place: SourceLine | None = None, raised: Raised | None = None
    ) -> None:
        self._outcome = outcome
        self._ending = Ending(words, place, raised)

    def _lost(self, error: LostError, when: str) -> None:
        """How the half ended whose line was lost, unless that is known already."""
        self._at += time.monotonic() - self._since if self._running else 0.0
        if self._ending is not None:
            return
        if isinstance(error, DisturbedError):
            done = f"after {self._done} whole steps"
            self._fail(
                Outcome.CRASHED, f"it wrote on the lab's channel {done}, so that it could not be measured any more"
            )
        else:
            self._fail(Outcome.CRASHED, f"{self._line.end_in_words()} {when}")
