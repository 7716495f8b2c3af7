"""The child that runs one half once more, to look inside it: a worker with a recorder.

It speaks the worker's protocol, takes no pauses, and says what it found in lines of their own (docs/protocol.md). It
measures nothing, so that it may import what it needs; what it finds is only ever said beside a finding.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import re
import signal
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections import Counter, defaultdict
from math import ceil
from time import monotonic, sleep, thread_time
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from leaklab.explain import fates, libraries, waits
from leaklab.explain.holders import UNREACHED, Root, Walk, kind_words
from leaklab.explain.naming import named, with_article
from leaklab.explain.own_code import Line, OwnCode
from leaklab.explain.recorder import Origin, Recorder, close_fd, dup
from leaklab.explain.resources import OpenResource, open_resources
from leaklab.explain.rises import Rises
from leaklab.measure import worker

# The half finds what it would find without this.
del sys.path[0]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from leaklab.explain.weights import Lines

getpid, is_enabled, enable, disable = os.getpid, gc.isenabled, gc.enable, gc.disable
collect, get_switch_interval, set_switch_interval = gc.collect, sys.getswitchinterval, sys.setswitchinterval

MEMORY, CONNECTIONS, ELAPSED = "rss", "connections", ""
"""Counters of what is not looked for among the objects that are open."""

STARTED = "started"
"""Said beside them: where child processes were started, which are not looked into."""

FILES = ("files", "file_bytes")

NO_OWNER = "no Python object"
"""What keeps a descriptor, thread or process that was opened below Python's objects."""

DROPPED = "nothing: its object is gone, and the server has not been told"
"""The same of a cursor that is open on the server."""

GROUPS = 40
"""Groups that are told of one look, at most."""

SAMPLED = 3
"""Members of a group whose chains are put in words."""

SETTLE_S = 1.0
"""Seconds, at most, in which what is just ending may end before what is left is looked at."""

MOST = (0.3, 0.9)
"""The shares of what a finding counted at which it is looked at while the half goes on: at one time there may be more,
or fewer, than at another."""

ALONE_S = 0.5
"""Seconds in which no other thread runs while this one looks, so that what is looked at stays as it is."""


class _Shape(NamedTuple):
    """What things must have in common to be told once; the types by their ids."""

    counter: str
    line: Line | None
    root: Root
    types: tuple[int, ...]
    waits: Line | None


class Witness:
    """What looks inside, and when.

    Args:
        plan: what to look at: by moment (`left`, `held`), how many of each counter are to be explained; `late` is the
            time in seconds at which a half that does not return is looked at, or null; `ports` are those of the
            services.
    """

    def __init__(self, plan: Mapping[str, Any], path: str, channel: worker.RunnerChannel) -> None:
        self.own = OwnCode(os.path.dirname(path))  # noqa: PTH120
        self.recorder = Recorder(self.own, opened=self._opened)
        self._plan = plan
        self._channel = channel
        self._held: dict[str, float] = plan["held"]
        self._left: dict[str, float] = plan["left"]
        self._weighs = MEMORY in self._held or MEMORY in self._left
        self._lock = allocate_lock()
        self._pid = getpid()
        self._main = get_ident()
        self._shares = list(MOST) if self._held else []
        self._base = 0
        self._lines: Lines | None = None
        self._sizes: dict[int, int] = {}
        self._has_told_memory = False
        if self._weighs:
            from leaklab.explain import weights  # here: tracing takes as long to import as all the rest

            self._weights = weights
        wanted = self._held.get(MEMORY) or self._left.get(MEMORY) or 0
        self._rises = Rises(self.own, wanted, self._look_at_memory)

    def start(self) -> None:
        """Record from now on."""
        libraries.prepare(self.recorder)
        self.recorder.start()

    def begin(self) -> None:
        """`run` is called now. What was there before is not what grows: only memory from now on has a line."""
        if self._weighs:
            self._sizes = self._weights.sizes_now()
            self._weights.begin()
            self._rises.begin()
        self._base = _lowest_free()
        late = self._plan["late"]
        if late is not None:
            start_new_thread(self._look_late, (late,))

    def at_the_last_step(self) -> None:
        """Look at what is held, while the names of `run` are there."""
        if self._held:
            # Memory that is not there is not looked for.
            self.look(
                "end", {name: n for name, n in self._held.items() if name != MEMORY or self._rises.has_risen(MOST[0])}
            )

    def after_return(self) -> None:
        """Look at what is left once garbage is collected, and what was just ending has ended."""
        if not self._left:
            return
        until = monotonic() + SETTLE_S
        looked_for = {name: count for name, count in self._left.items() if name not in (MEMORY, CONNECTIONS, *FILES)}
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
        with self._lock, self._rises.left_out():
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
                groups = self._groups(counters)
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

    def _groups(self, counters: Mapping[str, float]) -> list[dict[str, Any]]:
        if MEMORY in counters and self._lines is None:
            self._lines = self._weights.Lines(self.own)
        found = open_resources(self.recorder, counters)
        walk = Walk(self.own, [self, self.recorder], everything=MEMORY in counters)
        walk.find([one.thing for one in found if one.thing is not None])
        groups = self._alike(found, walk)
        if MEMORY in counters:
            groups += self._memory(walk, counters[MEMORY])
        if CONNECTIONS in counters:
            groups += self._connections()
        if set(FILES) & set(counters):
            groups += self._files([name for name in FILES if name in counters])
        groups += [_group(STARTED, n, "child process", line) for line, n in Counter(self.recorder.started).items()]
        if ELAPSED in counters:
            groups += [_group(ELAPSED, 1, "the caller", waits=waits.of_thread(self._main, self.own))]
        return sorted(groups, key=lambda group: -group["count"])[:GROUPS]

    def _alike(self, found: Sequence[OpenResource], walk: Walk) -> list[dict[str, Any]]:
        """What comes from one line, is of one kind and is kept in the same way is told once."""
        shapes: dict[_Shape, list[tuple[OpenResource, Root, list[object]]]] = defaultdict(list)
        for one in found:
            root, links = (UNREACHED, []) if one.thing is None else walk.chain(one.thing)
            line = None if one.origin is None else one.origin.line
            shape = _Shape(
                one.counter, line, root, tuple(id(type(link)) for link in links), waits.of(one.thing, self.own)
            )
            shapes[shape].append((one, root, links))
        told: dict[object, dict[str, Any]] = {}
        most_first = sorted(shapes.items(), key=lambda shape: -len(shape[1]))
        for shape, members in most_first:
            first = members[0][0]
            group = _group(shape.counter, len(members), first.what, shape.line, waits=shape.waits)
            group |= self._kept(first, shape.root, [links for _, _, links in members[:SAMPLED]])
            key = shape.counter, shape.line, shape.waits, group["note"], _holder(group["kept"])
            if key in told:
                told[key]["count"] += len(members)
            else:
                told[key] = group
        return list(told.values())

    def _kept(self, first: OpenResource, root: Root, several: list[list[object]]) -> dict[str, Any]:
        if first.thing is None:
            return {"note": DROPPED if first.counter == "cursors" else NO_OWNER}
        if not root.name:
            if len(several[0]) == 1:
                return {"note": "no Python object: a running expression or code in C holds it"}
            return {"kept": [*named(root._replace(name=kind_words(several[0][0])), several)], "note": ""}
        if first.counter in ("threads", "children", "tasks") and not root.own:
            return {"note": ""}  # it goes on by itself
        chain = named(root, several)
        if all(len(links) == 1 for links in several):
            chain = chain._replace(through=with_article(first.what))
        return {"kept": [*chain], "note": ""}

    def _memory(self, walk: Walk, wanted: float) -> list[dict[str, Any]]:
        heavy = self._weights.Heavy(walk, wanted, self._sizes)
        found = [self._heavy(thing, size) for thing, size in heavy.big]
        groups = self._alike(found, walk)
        if heavy.holder is not None:
            root, links = walk.chain(heavy.holder)
            chain = named(root, [[*links, one] for one in heavy.held[:SAMPLED]] or [links])
            holder = self._heavy(heavy.holder, heavy.held_size)
            line = None if holder.origin is None else holder.origin.line
            groups.insert(0, _group(MEMORY, max(1, len(heavy.held)), holder.what, line) | {"kept": [*chain]})
        if not any(group["opened"] for group in groups) and (line := self._rises.line()) is not None:
            # A library made it for a line of the half, or it belongs to no object, then or ever.
            groups = groups or [_group(MEMORY, 1, "memory") | {"note": NO_OWNER}] * (not self._has_told_memory)
            groups = [groups[0] | {"opened": line}, *groups[1:]] if groups else []
        self._has_told_memory = self._has_told_memory or bool(groups)
        return groups

    def _heavy(self, thing: object, size: int) -> OpenResource:
        """Memory, with the line that made it, or most of what is in it."""
        line = None if self._lines is None else self._lines.of_one(thing)
        what = f"{kind_words(thing)} of {size / 2**20:,.0f} MiB"
        return OpenResource(MEMORY, thing, what, None if line is None else Origin(line, own=True))

    def _connections(self) -> list[dict[str, Any]]:
        ports = set(self._plan["ports"])
        return [
            _group(CONNECTIONS, len(several), "connection", line) | {"became": fates.fate(several)}
            for line, several in fates.by_line(self.recorder, ports).items()
        ]

    def _files(self, counters: Sequence[str]) -> list[dict[str, Any]]:
        by_line: dict[Line | None, list[str]] = defaultdict(list)
        folder = os.environ.get("TMPDIR", "")
        for place, _, names in os.walk(os.path.realpath(folder)) if folder else ():
            for name in names:
                path = os.path.join(place, name)  # noqa: PTH118
                plain = os.path.join(folder, os.path.relpath(path, os.path.realpath(folder)))  # noqa: PTH118
                origin = self.recorder.paths.get(plain) or self.recorder.paths.get(path)
                by_line[None if origin is None else origin.line].append(name)
        return [
            _group(counter, len(names), f"file {names[0]}", line)
            for counter in counters
            for line, names in by_line.items()
        ]


def _group(
    counter: str, count: int, what: str, line: Line | None = None, *, waits: Line | None = None
) -> dict[str, Any]:
    """A group as it is sent. `note` says why nothing is known to keep it; it is empty where something is."""
    told = {"counter": counter, "count": count, "what": what, "opened": line, "waits": waits}
    return told | {"kept": None, "became": "", "note": ""}


def _holder(kept: list[str] | None) -> object:
    """The container of a chain: what several are kept in by one name is told once, also where the ways to it differ."""
    if kept is None:
        return None
    chain, root, _ = kept
    return re.split(r"\[(?:…|\d+)\]", chain, maxsplit=1)[0], root


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
        super().__init__(spec, None, None, None)  # type: ignore[arg-type] # no step of these is reported
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
