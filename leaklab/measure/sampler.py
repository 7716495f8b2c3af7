"""The sampler decides when counters are read, and hands each sample to its listeners."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from leaklab.measure.probes import NO_FAMILY, Counters, Family, ServiceProbe, SystemProbe
from leaklab.measure.target import NO_MORE_PAUSES
from leaklab.measure.trace import Phase, Sample
from leaklab.metrics import METRICS, SOCKETS
from leaklab.services.kinds import ServiceCounts
from leaklab.system.interrupts import held_back

SAMPLED_STEPS = 64
"""Steps at which a sample is taken; of more steps, an even spread of so many. Each pause costs the half CPU time, a
little for the message and more as its own code goes on with cold caches; with fewer samples growth is judged worse."""

SOCKET_SAMPLES = 6
"""Steps at which open sockets are read too, the dearest of the counters; file descriptors are read at every sample."""

CLOCK_MAX_S = 0.25
"""Seconds without a sample after which one is due by the clock: what allocates without end takes some hundred MiB in
this time, and then it is stopped."""


class TraceListener(Protocol):
    """Follows a measurement while it goes on: a progress bar, a live view, the trace itself."""

    def stepped(self, half: str, done: int) -> None:
        """`half` has done so many whole steps."""
        ...

    def sampled(self, half: str, sample: Sample) -> None:
        """A sample of `half` was taken."""
        ...


class IgnoringListener:
    """Does nothing; the base of listeners that follow only a part."""

    def stepped(self, half: str, done: int) -> None:
        """Ignore it."""

    def sampled(self, half: str, sample: Sample) -> None:
        """Ignore it."""


def spread(steps: int, most: int) -> list[int]:
    """At most `most` of the step numbers 0 … `steps` - 1, evenly spread, the first always among them."""
    if steps <= most:
        return list(range(steps))
    return sorted({index * steps // most for index in range(most)})


@dataclass(slots=True)
class StepClock:
    """How far a half has come.

    Attributes:
        begun: steps that were begun.
        done: whole steps done in this pass over the items.
        pass_: which pass over the items, from 0.
        at_s: seconds since the start, pauses left out.
    """

    begun: int = 0
    done: int = 0
    pass_: int = 0
    at_s: float = 0.0


@dataclass(slots=True)
class Sampler:
    """Reads the probes of one half.

    Attributes:
        half: its name.
        system: the probe of its process.
        service: the probe of its services.
        steps: the steps that its workload has.
        listeners: what each sample is handed to, in this order.
        counters: what was read last.
        counts: the services' counts that were read last.
        family: the child processes, as they were read last.
    """

    half: str
    system: SystemProbe
    service: ServiceProbe
    steps: int
    listeners: Sequence[TraceListener]
    counts: ServiceCounts = field(init=False, default_factory=ServiceCounts)
    family: Family = field(init=False, default=NO_FAMILY)
    counters: Counters = field(init=False, default_factory=dict)
    _pauses: list[int] = field(init=False)
    _socket_steps: frozenset[int] = field(init=False)
    _sockets: tuple[object, Counters] | None = field(init=False, default=None)
    _taken_at: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._pauses = spread(self.steps, SAMPLED_STEPS)
        self._socket_steps = frozenset(self._pauses[index] for index in spread(len(self._pauses), SOCKET_SAMPLES))

    def next_pause(self, done: int) -> int:
        """The next step at which a sample is to be taken."""
        return next((pause for pause in self._pauses if pause > done), NO_MORE_PAUSES)

    @property
    def is_due(self) -> bool:
        """Whether no sample was taken for a while."""
        return time.monotonic() - self._taken_at >= CLOCK_MAX_S

    def step(self, clock: StepClock) -> None:
        """Take the sample of a step; open sockets are read at some of them only."""
        self._take(Phase.STEP, clock, clock.at_s, sockets=clock.done in self._socket_steps, fresh=False)

    def watch(self, clock: StepClock, *, sockets: bool = True) -> None:
        """Take a sample by the clock, and read what the child processes hold."""
        self.family = self.system.family()
        self._take(Phase.CLOCK, clock, clock.at_s, sockets=sockets)

    def moment(self, phase: Phase, clock: StepClock) -> None:
        """Take the sample of a moment that comes once: everything is read."""
        self._take(phase, clock, clock.at_s, sockets=True)

    def look(self) -> Counters:
        """Read what is left now, child processes included; `keep` makes a sample of it."""
        return self._read(sockets=True, fresh=True, children=True)

    def keep(self, phase: Phase, clock: StepClock, at_s: float, counters: Counters) -> Sample:
        """Make a sample of these counters, and hand it to the listeners."""
        values = {metric.name: counters[metric.counter] for metric in METRICS.values() if metric.counter in counters}
        sample = Sample(phase, clock.done, at_s, values, self.counts.answers_due, clock.pass_)
        self._taken_at = time.monotonic()
        for listener in self.listeners:
            listener.sampled(self.half, sample)
        return sample

    def _take(self, phase: Phase, clock: StepClock, at_s: float, *, sockets: bool, fresh: bool = True) -> None:
        self.keep(phase, clock, at_s, self._read(sockets=sockets, fresh=fresh))

    @held_back()
    def _read(self, *, sockets: bool, fresh: bool, children: bool = False) -> Counters:
        """All counters now. No signal comes between the question to the services and its answer.

        Args:
            sockets: read sockets and child processes, too.
            fresh: read sockets even if neither the number of descriptors nor the services' connections changed since
                they were last read; otherwise that reading stands.
            children: count the sockets of child processes, too: what the services still have open to the half.
        """
        self.service.ask()
        counters = self.system.read()
        # Child processes are dearer than the others, and read as seldom as the sockets are.
        if sockets:
            counters |= self.system.read_children()
        self.counts = counts = self.service.hear()
        state = (counters["fds"], counts.connections)
        if not fresh and self._sockets is not None and self._sockets[0] == state:
            counters |= self._sockets[1]
        elif sockets:
            read = self.system.read_sockets()
            if children and counts.half_connections is not None and read.get(SOCKETS) is not None:
                read = {SOCKETS: max(read[SOCKETS] or 0, counts.half_connections)}
            self._sockets = (state, read)
            counters |= read
        self.counters = {**counters, **counts.counters}
        return self.counters
