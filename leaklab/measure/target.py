"""What is measured: a Target starts, has a pid, does work of a given size, and ends. A half in Python is one kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from leaklab.measure.channel import WorkerChannel
from leaklab.measure.messages import Event, HalfUnloadable
from leaklab.measure.source_line import SourceLine
from leaklab.measure.trace import Ending, Outcome
from leaklab.services.client import Services
from leaklab.system.interrupts import held_back
from leaklab.system.limits import Limits
from leaklab.system.machine import descriptor_limits, limit_names
from leaklab.system.processes import Child, start_child

LOAD_WITHIN_S = 30.0
"""Seconds in which a half must be imported."""

LONGEST_LIFETIME_S = 2**31 - 1
"""Seconds: the most that the system takes (alarm(2), by Python's documentation of `signal.alarm` a C int)."""

NO_MORE_PAUSES = 2**62
"""A step that is never reached."""

WORKER = Path(__file__).with_name("worker.py")

FEW_ADDRESSES = {"MALLOC_ARENA_MAX": "1"}
"""For a half whose addresses are limited: otherwise glibc reserves 64 MiB of them for each of its first threads
(mallopt(3), M_ARENA_MAX), and the half would run out of addresses that it never uses."""


@dataclass(frozen=True, slots=True)
class Steps:
    """An iterable argument of a half that marks one step each time the half asks for the next item.

    Attributes:
        count: how many items.
        item: what each item is: a template in which `{n}` stands for the number of the step, counted from 1,
            or None for the number itself. Lists and mappings of templates work too.
    """

    count: int
    item: object = None


class UnpreparedError(Exception):
    """A target could not be made ready; `ending` says why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending


class Target(Protocol):
    """What is measured. A context manager, to be entered by an Owner: at its end its processes are gone."""

    def __enter__(self) -> Self:
        """Start it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        ...

    @property
    def pid(self) -> int:
        """The id of its process, once it was started."""
        ...

    def prepare(self, workload: Mapping[str, object]) -> None:
        """Hand over the work. Raises UnpreparedError, or TargetEndedError, if it cannot be made ready."""
        ...

    def begin(self, *, address_space: int | None, file_size: int) -> None:
        """Let it begin, within these limits in bytes."""
        ...

    def next_event(self, within_s: float) -> Event | None:
        """What it reports next; None if that takes longer. Raises TargetEndedError if it ended."""
        ...

    def proceed(self, pause_at: int = NO_MORE_PAUSES) -> None:
        """Let it go on after a pause; it pauses again before that step."""
        ...

    def collect(self) -> None:
        """Have it collect its garbage, now that its work is done."""
        ...

    def leave(self) -> None:
        """Let it end by itself."""
        ...

    def hang_location(self) -> SourceLine | None:
        """The line it is at, for one that does not go on; None if that is unknown."""
        ...

    def output(self) -> str:
        """What it printed, cut to the limit."""
        ...

    def end(self) -> None:
        """End it with all that it started; a second call does nothing."""
        ...


@dataclass(slots=True)
class PythonHalf:
    """A half in Python: a worker process imports it, calls `run`, and reports each step.

    Attributes:
        path: the file.
        services: the process that guards the worker should the runner be gone.
        limits: what the half may use.
    """

    path: Path
    services: Services
    limits: Limits = field(default_factory=Limits)
    _child: Child = field(init=False)
    _channel: WorkerChannel = field(init=False)
    _ended: bool = field(init=False, default=False)

    def __enter__(self) -> Self:
        """Start the worker; it imports the half while the services start."""
        self._child = start_child(WORKER, {} if self.limits.address_room is None else FEW_ADDRESSES)
        try:
            self.services.guard(self._child)
            self._channel = WorkerChannel(self._child, self.services, self.limits.output)
            limits = limit_names(descriptors=self.limits.descriptors or descriptor_limits()[1])
            self._channel.say({"half": str(self.path), "limits": dict(limits), "lifetime": int(LOAD_WITHIN_S * 2)})
        except BaseException:
            self._child.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker and whatever it started."""
        self.end()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    def prepare(self, workload: Mapping[str, object]) -> None:
        """Hand over the arguments of `run` and wait until the half is imported.

        Raises:
            UnpreparedError: it cannot be imported, or not in time.
            TargetEndedError: the worker ended meanwhile.
        """
        within_s = min(LOAD_WITHIN_S, self.limits.time_s)
        loaded = self._channel.hear(within_s)
        if loaded is None:
            raise self._stuck(f"it was not imported within {within_s:g} s (--limit time)")
        if isinstance(loaded, HalfUnloadable):
            words = f"it cannot be imported: {loaded.error.raised()}"
            raise UnpreparedError(Ending(Outcome.CRASHED, words, loaded.error.source_line()))
        arguments = {
            name: {"$steps": {"count": value.count, "item": value.item}} if isinstance(value, Steps) else value
            for name, value in workload.items()
        }
        self._channel.say({"workload": arguments})
        if self._channel.hear(LOAD_WITHIN_S) is None:
            raise self._stuck(f"it was imported, but did not come to rest within {LOAD_WITHIN_S:g} s")

    def begin(self, *, address_space: int | None, file_size: int) -> None:
        """Call `run`, within these limits in bytes."""
        limits = limit_names(address_space=address_space, file_size=file_size)
        # Whatever becomes of the lab and its guard, the worker does not outlive this.
        lifetime = min(LONGEST_LIFETIME_S, int(self.limits.time_s * 2 + LOAD_WITHIN_S * 2))
        self._channel.say({"do": "run", "limits": dict(limits), "lifetime": lifetime})

    def next_event(self, within_s: float) -> Event | None:
        """What the worker reports next; None if that takes longer. Raises TargetEndedError if it ended."""
        return self._channel.hear(within_s)

    def proceed(self, pause_at: int = NO_MORE_PAUSES) -> None:
        """Let the half go on after a pause; it pauses again before that step."""
        self._channel.say({"next": pause_at})

    def collect(self) -> None:
        """Have the worker collect garbage, now that `run` was left."""
        self._channel.say({"do": "collect"})

    def leave(self) -> None:
        """Let the worker end by itself."""
        self._channel.say({"do": "leave"})

    def hang_location(self) -> SourceLine | None:
        """The line of the half's own folder that it is at; None if that is unknown."""
        return self._channel.hang_location(self.path.parent)

    def output(self) -> str:
        """What the half printed, cut to the limit."""
        self._channel.drain_output()
        return self._channel.output()

    def end(self) -> None:
        """End the worker and whatever it started; a second call does nothing."""
        with held_back():
            if not self._ended:
                self._ended = True
                self._channel.close()
                self._child.end()
                self.services.release(self._child)

    def _stuck(self, words: str) -> UnpreparedError:
        return UnpreparedError(Ending(Outcome.TIMED_OUT, words, self.hang_location()))
