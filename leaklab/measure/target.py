"""What is measured: a Target starts, has a pid, does work of a given size, and ends. A half is one kind."""

import os
import re
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from leaklab.errors import MeasureError
from leaklab.measure.messages import (
    Event,
    EvidenceGiven,
    HalfCollected,
    HalfLoaded,
    HalfRaised,
    HalfReady,
    HalfReturned,
    HalfUnloadable,
    StepBegun,
    StepsTaken,
    TasksCounted,
    event_of,
)
from leaklab.measure.run_trace import Ending, Outcome
from leaklab.measure.runtime import PYTHON_RUNTIME, Runtime
from leaklab.measure.source_line import SourceLine
from leaklab.measure.worker import RUNNER_GONE, STEP_COUNTER
from leaklab.services.client import Services
from leaklab.system import temporary
from leaklab.system.interrupts import held_back
from leaklab.system.limits import Limits
from leaklab.system.machine import fd_limits, resource_limits
from leaklab.system.processes import READ_WITHIN_S, Child, signal_name, start_command

LOAD_WITHIN_S = 30.0
"""Seconds in which a half must be imported."""

HANG_LOCATION_WITHIN_S = 1.0
"""Seconds in which a half that hangs must report its line."""

LONGEST_LIFETIME_S = 2**31 - 1
"""Seconds: the most that the system takes (alarm(2), by Python's documentation of `signal.alarm` a C int)."""

NO_MORE_PAUSES = 2**62
"""A step that is never reached."""

MOST_INSIDE = 10_000_000
"""Things that a process can have inside: a goroutine takes 2 KiB at least (package runtime)."""

UNTOLD = Path()
"""The path of a half that is not known yet."""

LONGEST_LINE = 32 * 2**20
"""Bytes of one message: eight times the longest answer, as each of its characters may have to be escaped."""


ANSWER_READ_WITHIN_S = 1.0
"""Seconds in which the answer to a pause must be read: the worker waits for it, and thousands of them would fit."""

TAIL = 2**16
"""Bytes from the end of the output that are kept in any case: there a process says what ended it."""

PIPE = 2**20
"""Bytes that a pipe holds at most, unless an administrator allows more (pipe(7), pipe-max-size)."""

BESIDE = (StepBegun, StepsTaken, TasksCounted, EvidenceGiven)
"""What a worker may say beside what it is asked for, while `run` goes on and after it: threads take steps, too."""

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


class TargetEndedError(Exception):
    """The target ended, or can be measured no further: the message says what happened, and `place` where, if known."""

    def __init__(self, words: str, place: SourceLine | None = None) -> None:
        super().__init__(words)
        self.place = place


@dataclass(eq=False)
class RunEndedError(Exception):
    """The run is over before its work is done; `ending` says how."""

    ending: Ending


class Target(AbstractContextManager["Target", None], Protocol):
    """What is measured. Entering it, which an Owner does, starts it; at its end its processes are gone."""

    @property
    def pid(self) -> int:
        """The id of its process, once it was started."""

    @property
    def folder(self) -> Path | None:
        """The folder for what it makes for a while, once it was started; None if it has none of its own."""
        return None

    @property
    def shared_memory_left(self) -> Sequence[str]:
        """The names of the shared memory that was there when it was ended, and that was removed then."""
        return ()

    @property
    def runtime(self) -> Runtime:
        """What runs it, and how it is measured."""
        return PYTHON_RUNTIME

    def prepare(self, workload: Mapping[str, object]) -> None:
        """Hand over the work and wait until it is ready. Raises RunEndedError or TargetEndedError if it cannot be."""

    def begin(self, *, address_space: int | None, file_size: int) -> None:
        """Let it begin, within these limits in bytes."""

    def next_event(self, within_s: float) -> Event | None:
        """What it reports next; None if that takes longer. Raises TargetEndedError if it ended."""

    def steps_begun(self) -> int:
        """How many steps it has begun without reporting them; 0 where that is unknown."""
        return 0

    def counts_inside(self) -> Mapping[str, int]:
        """What it counts itself, now, by the names of the counters."""
        return {}

    def proceed(self, pause_at: int = NO_MORE_PAUSES) -> None:
        """Let it go on after a pause; it pauses again before that step."""

    def collect(self) -> None:
        """Have it collect its garbage, now that its work is done."""

    def leave(self) -> None:
        """Let it end by itself."""

    def hang_location(self) -> SourceLine | None:
        """The line it is at, for one that does not go on; None if that is unknown."""

    def output(self) -> str:
        """What it printed, cut to the limit."""

    def end(self) -> None:
        """End it with all that it started; a second call does nothing."""


def timed_out(target: Target, words: str) -> RunEndedError:
    """The error for a target that does not go on, with the line where it hangs."""
    return RunEndedError(Ending(Outcome.TIMED_OUT, words, target.hang_location()))


@dataclass(slots=True)
class Half:
    """A half: a worker process loads it, calls `run`, and reports each step (docs/protocol.md).

    It has a folder of its own, which goes with it (`leaklab.system.temporary`). The `services` end the worker and
    remove the folder should the runner be gone; without them nothing can be measured. `environment` is added to that
    of the worker. `runtime` is what runs it; with a `plan`, it is a witness that is told this besides.

    A worker for Python may be started before it is known which half it is for (`path` is UNTOLD), and import the
    `modules` that most halves need. What it is for is said by `tell`.
    """

    path: Path
    services: Services
    limits: Limits = field(default_factory=Limits)
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: Runtime = PYTHON_RUNTIME
    plan: Mapping[str, object] | None = None
    modules: Sequence[str] = ()
    folder: Path = field(init=False)
    shared_memory_left: Sequence[str] = field(init=False, default=())
    _child: Child = field(init=False)
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _buffer: bytes = field(init=False, default=b"")
    _output: bytearray = field(init=False, default_factory=bytearray)
    _dropped: int = field(init=False, default=0)
    _tail: bytes = field(init=False, default=b"")
    _ended: bool = field(init=False, default=False)
    _expected: tuple[type[Event], ...] = field(init=False, default=())
    _steps: int = field(init=False, default=0)
    _process: int | None = field(init=False, default=None)
    _steps_file: int = field(init=False)
    _has_exited: bool = field(init=False, default=False)

    def __enter__(self) -> Self:
        """Start the worker; it imports the half while the services start."""
        with ExitStack() as undo:
            self._make_folder()
            undo.callback(self._remove_folder)
            self._steps_file = os.open(self.folder / temporary.STEPS, os.O_RDWR | os.O_CREAT, 0o600)
            undo.callback(os.close, self._steps_file)
            os.ftruncate(self._steps_file, STEP_COUNTER * (1 + len(self.runtime.counts_inside)))
            few = {} if self.limits.address_room is None else FEW_ADDRESSES
            files = str(self.folder / temporary.FILES)
            added = {**self.runtime.environment, **self.environment, **few}
            self._child = start_command(self.runtime.command, self.runtime.dropped, TMPDIR=files, **added)
            undo.callback(self._child.end)
            undo.callback(self._selector.close)
            self.services.guard(self.folder, self._child)
            self._expected = (HalfLoaded, HalfUnloadable)
            os.set_blocking(self._child.output, False)
            for readable in (self._child.channel, self._child.output, self.services.channel):
                self._selector.register(readable, selectors.EVENT_READ)
            if hasattr(os, "pidfd_open"):
                # A child that the half has forked may keep the channel open.
                self._process = os.pidfd_open(self._child.pid)
                undo.callback(os.close, self._process)
                self._selector.register(self._process, selectors.EVENT_READ)
            limits = resource_limits(fds=self.limits.fds or fd_limits()[1])
            notes, steps = str(self.folder / temporary.NOTES), str(self.folder / temporary.STEPS)
            with suppress(TargetEndedError):  # it is heard when it is waited for
                self._say({"limits": limits, "notes": notes, "steps": steps, "modules": [*self.modules]})
            if self.path is not UNTOLD:
                self.tell(self.path)
            undo.pop_all()
        return self

    def tell(self, path: Path) -> None:
        """Have the worker import the half at this path."""
        self.path = path
        plan = {} if self.plan is None else {"plan": self.plan}
        with suppress(TargetEndedError):  # it is heard when it is waited for
            self._say({"half": str(path), "lifetime": int(LOAD_WITHIN_S * 2), **plan})

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the worker has not ended."""
        return self._child.ended(within_s=0) is None

    def prepare(self, workload: Mapping[str, object]) -> None:
        within_s = min(LOAD_WITHIN_S, self.limits.time_s)
        loaded = self.next_event(within_s)
        if loaded is None:
            raise timed_out(self, f"it was not {self.runtime.loaded} within {within_s:g} s (--limit time)")
        self._refuse_unloadable(loaded)
        self._expected = (HalfReady, HalfUnloadable)
        self._hand_over(workload)
        if (ready := self.next_event(LOAD_WITHIN_S)) is None:
            words = f"it was {self.runtime.loaded}, but did not come to rest within {LOAD_WITHIN_S:g} s"
            raise timed_out(self, words)
        self._refuse_unloadable(ready)

    def _refuse_unloadable(self, event: Event) -> None:
        if isinstance(event, HalfUnloadable):
            words = f"it cannot be {self.runtime.loaded}: {event.error}"
            raise RunEndedError(Ending(Outcome.CRASHED, words, event.error.source_line(), event.error))

    def _hand_over(self, workload: Mapping[str, object]) -> None:
        arguments = {
            name: {"$steps": {"count": value.count, "item": value.item}} if isinstance(value, Steps) else value
            for name, value in workload.items()
        }
        self._steps = max((value.count for value in workload.values() if isinstance(value, Steps)), default=0)
        self._say({"workload": arguments})

    def run_through(self, workload: Mapping[str, object], *, address_space: int, file_size: int) -> None:
        """Have it do its work and collect its garbage without waiting for an answer: what it reports is heard later."""
        self._hand_over(workload)
        self.begin(address_space=address_space, file_size=file_size)
        self.collect()
        self._expected = (HalfLoaded, HalfUnloadable, HalfReady, *BESIDE, HalfReturned, HalfRaised, HalfCollected)

    def begin(self, *, address_space: int | None, file_size: int) -> None:
        limits = resource_limits(address_space=address_space, file_size=file_size)
        # Whatever becomes of the lab and its guard, the worker does not outlive this.
        lifetime = min(LONGEST_LIFETIME_S, int(self.limits.time_s * 2 + LOAD_WITHIN_S * 2))
        self._expected = (*BESIDE, HalfReturned, HalfRaised)
        self._say({"do": "run", "limits": limits, "lifetime": lifetime})

    def next_event(self, within_s: float) -> Event | None:
        until = time.monotonic() + within_s
        while b"\n" not in self._buffer and len(self._buffer) <= LONGEST_LINE:
            if self._has_exited:
                self._read_the_rest()
                continue
            left = until - time.monotonic()
            if left <= 0:
                return None
            for key, _ in self._selector.select(left):
                if key.fileobj is self._child.channel:
                    self._read_channel()
                elif key.fileobj == self._process:
                    self._selector.unregister(self._process)
                    self._has_exited = True
                elif key.fileobj is self.services.channel:
                    # It says nothing unasked: it has ended, and the half is no longer guarded.
                    raise self.services.gone()
                else:
                    self._read_output()
        line, _, self._buffer = self._buffer.partition(b"\n")
        event = event_of(line)
        if event is None or not isinstance(event, self._expected) or not self._is_possible(event):
            raise TargetEndedError("it wrote on the lab's channel, so that it could not be measured any more,")
        return event

    def _is_possible(self, event: Event) -> bool:
        """Whether a worker could have said this: a half that writes on the channel may say anything."""
        match event:
            case StepBegun(done=done):
                return done < self._steps
            case StepsTaken(done=done):
                return done <= self._steps
            case HalfRaised(error=error) | HalfUnloadable(error=error):
                folder = str(self.path.parent)
                return all(os.path.dirname(place.file) == folder and "\0" not in place.file for place in error.places)  # noqa: PTH120 # as the worker takes it
            case EvidenceGiven():
                return self.plan is not None
        return True

    def steps_begun(self) -> int:
        begun = int.from_bytes(os.pread(self._steps_file, STEP_COUNTER, 0), sys.byteorder)
        # A half could have written there, too.
        return begun if begun <= self._steps else 0

    def counts_inside(self) -> Mapping[str, int]:
        names = self.runtime.counts_inside
        read = os.pread(self._steps_file, STEP_COUNTER * len(names), STEP_COUNTER) if names else b""
        numbers = (read[at : at + STEP_COUNTER] for at in range(0, len(read), STEP_COUNTER))
        counts = {name: int.from_bytes(number, sys.byteorder) for name, number in zip(names, numbers, strict=True)}
        # A half could have written there, too.
        return {name: count for name, count in counts.items() if count <= MOST_INSIDE}

    def proceed(self, pause_at: int = NO_MORE_PAUSES) -> None:
        self._say({"next": pause_at}, within_s=ANSWER_READ_WITHIN_S)

    def collect(self) -> None:
        self._expected = (*BESIDE, HalfCollected)
        self._say({"do": "collect"})

    def leave(self) -> None:
        self._expected = BESIDE
        self._say({"do": "leave"})

    def hang_location(self) -> SourceLine | None:
        self._drain_output()
        before = len(self._output)
        with suppress(OSError):
            os.kill(self.pid, signal.SIGUSR1)
        until = time.monotonic() + HANG_LOCATION_WITHIN_S
        while b" in <module>" not in self._output[before:] and time.monotonic() < until:
            time.sleep(0.01)
            self._drain_output()
        said = self._output[before:].decode(errors="replace")
        # What the half printed stays as it was.
        del self._output[before:]
        for file, line in re.findall(r'File "([^"\0]+)", line (\d{1,9}) in ', said):
            if int(line) and Path(file).parent == self.path.parent:
                return SourceLine.at(Path(file), int(line))
        return None

    def output(self) -> str:
        self._drain_output()
        text = self._output.decode(errors="replace")
        return f"{text}\n… and {self._dropped:,} more bytes" if self._dropped else text

    def end(self) -> None:
        with held_back():
            if not self._ended:
                self._ended = True
                self._selector.close()
                if self._process is not None:
                    os.close(self._process)
                os.close(self._steps_file)
                self.shared_memory_left = sorted(temporary.shared_memory(self.folder))
                self._child.end()
                self._remove_folder()

    def _make_folder(self) -> None:
        try:
            # A short name: the path of a Unix socket in it may have 104 to 108 characters (unix(7)).
            self.folder = Path(tempfile.gettempdir()) / f"ll-{os.urandom(8).hex()}"
        except OSError as error:
            raise MeasureError(f"no temporary folder can be made for a half: {error.strerror}") from None
        # Guarded before it is there: it does not stay, at whatever moment the runner is killed.
        self.services.guard(self.folder)
        try:
            self.folder.mkdir(mode=0o700)
            (self.folder / temporary.FILES).mkdir(mode=0o700)
        except OSError as error:
            self.services.release(self.folder)
            raise MeasureError(f"no temporary folder can be made for a half: {error}") from None

    def _remove_folder(self) -> None:
        temporary.remove(self.folder)
        self.services.release(self.folder)

    def _say(self, message: dict[str, object], within_s: float = READ_WITHIN_S) -> None:
        try:
            self._child.send(message, within_s)
        except TimeoutError:
            words = "it does not read the lab's channel, so that it could not be measured any more,"
            raise TargetEndedError(words) from None
        except OSError:
            raise self._gone() from None

    def _read_channel(self) -> None:
        try:
            data = self._child.channel.recv(1 << 20)
        except BlockingIOError:
            raise
        except OSError:
            data = b""
        if not data:
            raise self._gone()
        self._buffer += data

    def _read_the_rest(self) -> None:
        """The process has ended: hear what it said last. Raises TargetEndedError if that is nothing."""
        self._child.channel.setblocking(False)
        with suppress(BlockingIOError):
            while b"\n" not in self._buffer and len(self._buffer) <= LONGEST_LINE:
                self._read_channel()
        if b"\n" not in self._buffer:
            raise self._gone()

    def _read_output(self) -> bool:
        """Keep what the half printed, up to a bound; False if there is nothing (more) to read."""
        try:
            data = os.read(self._child.output, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            with suppress(KeyError):  # it may have been at its end before
                self._selector.unregister(self._child.output)
            return False
        self._tail = (self._tail + data)[-TAIL:]
        room = max(0, self.limits.output - len(self._output))
        self._output += data[:room]
        self._dropped += max(0, len(data) - room)
        return True

    def _drain_output(self) -> None:
        # More than a pipe can hold comes from what goes on printing, for ever perhaps.
        until = len(self._output) + self._dropped + PIPE
        while self._read_output() and len(self._output) + self._dropped < until:
            pass

    def _gone(self) -> TargetEndedError:
        """What happened to the worker whose channel closed."""
        code = self._child.ended(within_s=1.0)
        if code is None:
            return TargetEndedError("it closed the lab's channel and went on, so that it could not be measured,")
        if code == RUNNER_GONE:
            return TargetEndedError("it closed the lab's channel, so that it could not be measured any more, and ended")
        if code < 0:
            return TargetEndedError(f"it was ended by {signal_name(-code)}")
        self._drain_output()
        panic = self.runtime.panic(self._tail.decode(errors="replace")) if code == self.runtime.panic_code else None
        if panic is not None:
            at = panic.place(self.path.parent)
            place = None if at is None else SourceLine.at(Path(at.file), at.line)
            return TargetEndedError(f"a {panic.kind} ended it, {panic.words!r},", place)
        return TargetEndedError(f"it exited with code {code}")
