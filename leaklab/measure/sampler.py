"""The sampler decides when counters are read, keeps each sample, and hands it to its listeners."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from leaklab.measure.probes import Counters, Family, SystemProbe
from leaklab.measure.run_trace import Phase, Sample
from leaklab.measure.target import NO_MORE_PAUSES
from leaklab.metrics import METRICS, SOCKETS, TASKS
from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceCounts
from leaklab.system.interrupts import held_back

SAMPLED_STEPS = 64
"""Steps at which a sample is taken; of more steps, an even spread of so many. Each pause costs the half CPU time, a
little for the message and more as its own code goes on with cold caches; with fewer samples growth is judged worse."""

SAMPLED_LESS = 16
"""The same for a run of another size, and for a half whose verdict is known: only the most that was there counts, and
what is left."""

SOCKET_SAMPLES = 6
"""Steps at which open sockets are read too, the dearest of the counters; file descriptors are read at every sample."""

SOCKETS_DUE_S = 0.5
"""Seconds after which they are read at the next sampled step in any case, so that a screen shows what there is now."""

CLOCK_MAX_S = 0.25
"""Seconds without a sample after which one is due by the clock: what allocates without end takes some hundred MiB in
this time, and then it is stopped."""

DEAR_S = 0.1
"""CPU seconds from which on a sample is dear: it takes that long to read a hundred child processes."""

T = TypeVar("T")


class TraceListener:
    """Follows a measurement while it goes on, as a screen does. This one does nothing: it is the base class."""

    def begins(self, words: str) -> None:
        """What is done from now on, in words: `running leaky again, with 200 steps`."""

    def stepped(self, half: str, done: int) -> None:
        """`half` has done so many whole steps."""

    def sampled(self, half: str, sample: Sample) -> None:
        """A sample of `half` was taken."""


def spread(steps: int, most: int) -> list[int]:
    """At most `most` of the step numbers 0 … `steps` - 1, evenly spread, the first always among them."""
    if steps <= most:
        return list(range(steps))
    return sorted({index * steps // most for index in range(most)})


def by_metric(counters: Mapping[str, T]) -> dict[str, T]:
    """These counters by the names of the metrics that they count."""
    return {metric.name: counters[metric.counter] for metric in METRICS.values() if metric.counter in counters}


@dataclass(slots=True)
class StepClock:
    """How far a half has come.

    Attributes:
        begun: steps that were begun.
        done: whole steps done.
        at_s: seconds since the start, pauses left out.
    """

    begun: int = 0
    done: int = 0
    at_s: float = 0.0


@dataclass(slots=True)
class Sampler:
    """Reads the counters of one half; what else it knows of the half, its Measurement describes.

    Attributes:
        steps: the steps that its workload has.
        sampled_steps: at how many of them a sample is taken, at most.
        inside: reads what the half counts itself.
        unread: counters that are watched, and are no part of a sample.
        samples: all that were taken, in order.
        counters: what was read last; `counts` of it by the services, `family` of its child processes, which are read
            less often.
    """

    half: str
    system: SystemProbe
    services: Services
    its: HalfServices
    steps: int
    clock: StepClock
    listeners: Sequence[TraceListener]
    sampled_steps: int = SAMPLED_STEPS
    inside: Callable[[], Mapping[str, int]] = dict
    unread: frozenset[str] = frozenset()
    samples: list[Sample] = field(init=False, default_factory=list)
    counters: Counters = field(init=False, default_factory=dict)
    counts: ServiceCounts = field(init=False, default_factory=ServiceCounts)
    family: Family = field(init=False, default_factory=Family)
    _pauses: list[int] = field(init=False)
    _socket_steps: frozenset[int] = field(init=False)
    _sockets: tuple[object, Counters] | None = field(init=False, default=None)
    _sockets_at: float = field(init=False, default=0.0)
    _taken_at: float = field(init=False, default=0.0)
    _took_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._pauses = spread(self.steps, self.sampled_steps)
        self._socket_steps = frozenset(self._pauses[index] for index in spread(len(self._pauses), SOCKET_SAMPLES))

    def next_pause(self, done: int) -> int:
        """The next step at which a sample is to be taken; a dear sample is followed by about as long without one."""
        dear = self._took_s * done / self.clock.at_s if self._took_s > DEAR_S and self.clock.at_s else 0
        return next((pause for pause in self._pauses if pause > done + dear), NO_MORE_PAUSES)

    @property
    def due_in_s(self) -> float:
        """Seconds until the clock asks for a sample; 0 or less if one is overdue."""
        return CLOCK_MAX_S - (time.monotonic() - self._taken_at)

    def step(self) -> None:
        """Take the sample of a step; sockets are read at some of them only, and child processes once there are any."""
        due = time.monotonic() - self._sockets_at >= SOCKETS_DUE_S
        sockets, begun = due or self.clock.done in self._socket_steps, time.process_time()
        self.keep(Phase.STEP, self._read(family=sockets or bool(self.family.running), sockets=sockets, fresh=False))
        self._took_s = time.process_time() - begun

    def watch(self, *, sockets: bool = True) -> None:
        """Take a sample by the clock, what the child processes hold included."""
        self.keep(Phase.CLOCK, self._read(sockets=sockets))

    def moment(self, phase: Phase) -> None:
        """Take the sample of a moment that comes once: everything is read."""
        self.keep(phase, self._read())

    def look(self) -> Counters:
        """Read what is left now, child processes included; `keep` makes a sample of it."""
        return self._read(children=True)

    def keep(self, phase: Phase, counters: Counters, after_s: float = 0.0) -> None:
        """Make a sample of these counters, so many seconds after the clock stopped, and hand it to the listeners."""
        told = {name: count for name, count in counters.items() if name not in self.unread}
        clock, values = self.clock, by_metric(told)
        # By the clock, the time was an estimate: it may be a little later than what the half reports next.
        at_s = max(clock.at_s + after_s, self.samples[-1].at_s if self.samples else 0.0)
        own = {name: counters.get(f"own_{name}") for name in (SOCKETS, "fds")}
        of_itself = by_metric({name: count for name, count in own.items() if count is not None})
        sample = Sample(phase, clock.done, at_s, values, self.counts.answers_due, of_itself)
        self._taken_at = time.monotonic()
        self.samples.append(sample)
        for listener in self.listeners:
            listener.sampled(self.half, sample)

    def count_tasks(self, count: int, *moments: tuple[Phase, ...]) -> None:
        """Put the tasks that the half counted into the last sample of each of these phases; the baseline is none."""
        for phases, tasks in (((Phase.BASELINE,), 0), *((phases, count) for phases in moments)):
            for index in [index for index, sample in enumerate(self.samples) if sample.phase in phases][-1:]:
                values = {**self.samples[index].values, **by_metric({TASKS: tasks})}
                self.samples[index] = replace(self.samples[index], values=values)

    @held_back()
    def _read(
        self, *, family: bool = True, sockets: bool = True, fresh: bool = True, children: bool = False
    ) -> Counters:
        """All counters now. No signal comes between the question to the services and its answer.

        Args:
            family: read child processes and shared memory, too; otherwise what was last read of them is added.
            sockets: read sockets and temporary files, too.
            fresh: read sockets even if neither the number of descriptors nor the services' connections changed since
                they were last read; otherwise that reading stands.
            children: count the sockets of child processes, too: what the services still have open to the half.
        """
        self.services.ask_counts(self.its)
        # Child processes first: what the half gives up meanwhile, by the clock, would otherwise count twice.
        if family:
            self.family = self.system.family(self.family.unmapped if not sockets else None)
        counters = self.system.read()
        if (rss := counters.get("rss")) is not None:
            counters["rss"] = rss + self.family.memory
        if family:
            counters |= {"children": self.family.running, "zombies": self.family.zombies}
        if sockets:
            counters |= self.system.read_files()
        self.counts = counts = self.services.hear_counts(self.its)
        state = (counters["fds"], counts.connections)
        if not fresh and self._sockets is not None and self._sockets[0] == state:
            counters |= self._sockets[1]
        elif sockets:
            self._sockets_at = time.monotonic()
            read = self.system.read_sockets()
            if children and counts.half_connections is not None and read.get(SOCKETS) is not None:
                read[SOCKETS] = max(read[SOCKETS] or 0, counts.half_connections)
            # A half that was not paused may have closed sockets between the two readings of its descriptors.
            fds = read.pop("fds", None)
            if fds is not None and counters["fds"] is not None:
                read["own_fds"] = min(fds, counters["fds"])
            self._sockets = (state, read)
            counters |= read
        self.counters = {**counters, **counts.counters, **self.inside()}
        return self.counters
