"""The child that runs one half once more, to look inside it: a worker with a recorder.

It speaks the worker's protocol, takes no pauses, and says what it found in lines of their own (docs/protocol.md). It
measures nothing, so that it may import what it needs; what it finds is only ever said beside a finding.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import sys
from _thread import allocate_lock, start_new_thread
from collections import Counter
from math import ceil
from time import monotonic, sleep, thread_time
from typing import TYPE_CHECKING, Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from leaklab.explain import libraries
from leaklab.explain.grouping import CONNECTIONS, ELAPSED, FILES, MEMORY, SHARED, Grouping
from leaklab.explain.own_code import OwnCode
from leaklab.explain.recorder import Recorder, close_fd, dup
from leaklab.explain.resources import open_resources
from leaklab.measure import worker

# The half finds what it would find without this.
del sys.path[0]

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

getpid, is_enabled, enable, disable = os.getpid, gc.isenabled, gc.enable, gc.disable
collect, get_switch_interval, set_switch_interval = gc.collect, sys.getswitchinterval, sys.setswitchinterval

SETTLE_S = 1.0
"""Seconds, at most, in which what is just ending may end before what is left is looked at."""

MOST = (0.3, 0.9)
"""The shares of what a finding counted at which it is looked at while the half goes on: at one time there may be more,
or fewer, than at another."""

ALONE_S = 0.5
"""Seconds in which no other thread runs while this one looks, so that what is looked at stays as it is."""


class Witness:
    """What looks inside, and when.

    Args:
        plan: what to look at: by moment (`left`, `held`), how many of each counter are to be explained; `late` is the
            time in seconds at which a half that does not return is looked at, or null; `ports` are those of the
            services.
    """

    def __init__(self, plan: Mapping[str, Any], path: str, channel: worker.RunnerChannel) -> None:
        self.recorder = Recorder(OwnCode(os.path.dirname(path)), opened=self._opened)  # noqa: PTH120
        self._plan = plan
        self._channel = channel
        self._held: dict[str, float] = plan["held"]
        self._left: dict[str, float] = plan["left"]
        self._lock = allocate_lock()
        self._pid = getpid()
        self._shares = list(MOST) if self._held else []
        self._base = 0
        memory = self._held.get(MEMORY) or self._left.get(MEMORY) or 0
        self._grouping = Grouping(self.recorder, set(plan["ports"]), memory, self._look_at_memory)

    def start(self) -> None:
        """Record from now on."""
        libraries.prepare(self.recorder)
        self.recorder.start()

    def begin(self) -> None:
        """`run` is called now."""
        self._grouping.begin()
        self._base = _lowest_free()
        late = self._plan["late"]
        if late is not None:
            start_new_thread(self._look_late, (late,))

    def at_the_last_step(self) -> None:
        """Look at what is held, while the names of `run` are there."""
        if self._held:
            # Memory that is not there is not looked for.
            self.look(
                "end",
                {
                    name: n
                    for name, n in self._held.items()
                    if name != MEMORY or self._grouping.rises.has_risen(MOST[0])
                },
            )

    def after_return(self) -> None:
        """Look at what is left once garbage is collected, and what was just ending has ended."""
        if not self._left:
            return
        until = monotonic() + SETTLE_S
        looked_for = {
            name: count for name, count in self._left.items() if name not in (MEMORY, CONNECTIONS, SHARED, *FILES)
        }
        while looked_for and monotonic() < until and not self._has_settled(looked_for):
            sleep(0.02)
        self.look("left", self._left)

    def _has_settled(self, counters: Mapping[str, float]) -> bool:
        """Whether no more is there than was left when it was measured."""
        there = Counter(one.counter for one in open_resources(self.recorder, counters))
        return all(there[name] <= count for name, count in counters.items())

    def look(self, moment: str, counters: Mapping[str, float]) -> None:
        """Say what is open now of what these counters count, where it was opened, and what keeps it."""
        if getpid() != self._pid:  # a child that the half has forked
            return
        with self._lock, self._grouping.rises.left_out():
            self.recorder.stop()
            interval, is_collected, begun = get_switch_interval(), is_enabled(), 0.0
            set_switch_interval(ALONE_S)
            try:
                # A thread that waits for its turn already gets it in this time.
                until = monotonic() + 1.5 * interval
                while monotonic() < until:
                    pass
                begun = thread_time()
                disable()
                groups = self._grouping.groups(counters)
            except Exception as error:  # noqa: BLE001 # what cannot be explained is said, and changes nothing
                groups, self.recorder.error = [], f"{type(error).__name__}: {error}"
            finally:
                set_switch_interval(interval)
                if is_collected:
                    enable()
                self.recorder.resume()
            cpu = round(thread_time() - begun, 6)
            message = {"say": "evidence", "moment": moment, "groups": groups, "cpu": cpu}
            self._channel.send(worker.dumps(message | {"error": self.recorder.error[:300]}).encode() + b"\n")

    def _look_at_memory(self) -> None:
        """Most of the memory is there: look, if it may be gone later."""
        if MEMORY in self._held:
            self.look("most", {MEMORY: self._held[MEMORY]})

    def _look_late(self, after_s: float) -> None:
        lock = allocate_lock()
        lock.acquire()
        lock.acquire(timeout=after_s)
        self.look("late", {ELAPSED: 0, "threads": 0, "tasks": 0})

    def _opened(self, counter: str) -> None:
        """Something was opened: look, if that is most of what was held at the same time."""
        if counter == "tasks at their end" and "tasks" in self._left:
            self.look("cancelled", {"tasks": self._left["tasks"]})
        elif self._shares and self._there_are(counter):
            del self._shares[0]
            self.look("most", self._held)

    def _there_are(self, counter: str) -> bool:
        """Whether as much is there as is worth the next look."""
        wanted = self._held.get(counter) or (self._held.get("fds") if counter == "sockets" else None)
        if wanted is None:
            return False
        if counter in ("sockets", "fds"):
            there = _lowest_free() - self._base
        elif counter == "cursors":
            there = len(self.recorder.cursors)
        else:
            there = len(open_resources(self.recorder, (counter,)))
        return there >= max(2, ceil(self._shares[0] * wanted) - 1)


def _lowest_free() -> int:
    """The lowest descriptor that is free: about as many are open."""
    try:
        number = dup(2)
        close_fd(number)
    except OSError:
        return 1 << 30
    return number


class WatchedItems(worker.StepItems):
    """The items of a workload; at the last one, what is held is looked at."""

    def __init__(self, spec: dict[str, Any], witness: Witness) -> None:
        super().__init__(spec, None, None, None, None)  # type: ignore[arg-type] # no step of these is reported
        self._witness = witness
        self._iterated = False

    def __iter__(self) -> Any:
        self._iterated = True
        return super().__iter__()

    def _mark(self, what: bytes) -> None:
        """Look when the last step is over; of items that are taken by number, when the last one is begun."""
        with self._lock:
            self._begun += what == b"step"
            is_last = what == b"end" or (self._begun == self._count and not self._iterated)
        if is_last:
            self._witness.at_the_last_step()


def call(half: ModuleType, workload: dict[str, Any], channel: worker.RunnerChannel) -> None:
    """Call the half, and say how it ended."""
    try:
        half.run(**workload)
    except BaseException as error:  # noqa: BLE001 # SystemExit and KeyboardInterrupt of a half are its end too
        channel.ask(say="raised", at=0, cpu=0, error=worker.describe(error, str(half.__file__)))
        return
    channel.ask(say="returned", at=0, cpu=0, answer=None, problem=None)


def main() -> None:
    """Do what the runner says: load, run, collect, and look where its plan says so."""
    channel = worker.RunnerChannel(int(sys.argv[1]))
    os.set_inheritable(channel.fd, False)
    job = channel.hear()
    worker.limit(job["limits"])
    worker.note_shared_memory(job["notes"])
    job = channel.hear()
    worker.alarm(job["lifetime"])
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=False)
    witness = Witness(job["plan"], job["half"], channel)
    witness.start()
    try:
        half = worker.load(job["half"])
    except BaseException as error:  # noqa: BLE001 # loading a learner's file may raise anything
        channel.ask(say="unloadable", error=worker.describe(error, job["half"]))
        worker.leave(0)
    worker.alarm(0)
    job = channel.ask(say="loaded")
    workload = job["workload"]
    for name, value in workload.items():
        if isinstance(value, dict) and "$steps" in value:
            workload[name] = WatchedItems(value["$steps"], witness)
    collect()
    job = channel.ask(say="ready")
    worker.limit(job["limits"])
    worker.alarm(job["lifetime"])
    witness.begin()
    call(half, workload, channel)
    del workload
    collect()
    witness.after_return()
    channel.ask(say="collected")
    worker.leave(0)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
