"""What is said of one look: what is open, by the line that opened it and by what keeps it; like is said once."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from leaklab.explain import fates, waits
from leaklab.explain.holders import MAIN, UNREACHED, Root, Walk, kind_words
from leaklab.explain.naming import collapsed, named
from leaklab.explain.recorder import Origin
from leaklab.explain.resources import OpenResource, open_resources
from leaklab.explain.rises import Rises
from leaklab.measure.worker import SHARED_MEMORY, with_article

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from leaklab.explain.own_code import Line
    from leaklab.explain.recorder import Recorder
    from leaklab.explain.weights import Lines

MEMORY, CONNECTIONS, ELAPSED = "rss", "connections", ""
"""Counters of what is not looked for among the objects that are open."""

STARTED = "started"
"""Said beside them: where child processes were started, which are not looked into."""

FILES, SHARED = ("files", "file_bytes"), "shared"

NO_OWNER = "no object that the garbage collector knows"
"""What keeps a descriptor, thread or process that was opened below Python's objects."""

DROPPED = "no Python object any more, but the server has not been told"
"""The same of a cursor that is open on the server."""

GROUPS = 40
"""The most groups reported for one look."""

SAMPLED = 3
"""Members of a group whose chains are put in words."""


class _Shape(NamedTuple):
    """What things must have in common to be told once; the types by their names: one may be made anew in each call."""

    counter: str
    line: Line | None
    root: Root
    types: tuple[str, ...]
    waits: Line | None


class Grouping:
    """Looks at the process, and says what is there in groups.

    Args:
        ports: the ports of the services; only connections to these are reported.
        lines: only what these lines have opened is reported, if they are given.
        follows: whether the lines are followed, to see in which the memory rises.
        memory: bytes by which the memory rose when it was measured; 0 if it is not to be explained.
        risen: is called once, when most of that is there.
    """

    def __init__(
        self,
        recorder: Recorder,
        ports: set[int] | None = None,
        memory: float = 0,
        risen: Callable[[], None] = lambda: None,
        lines: Collection[Line] | None = None,
        *,
        follows: bool = True,
    ) -> None:
        self._own = recorder.own
        self._recorder = recorder
        self._ports = ports or set()
        self._only = lines
        self._lines: Lines | None = None
        self._sizes: dict[int, int] = {}
        self._has_told_memory = False
        self._weighs = bool(memory)
        if memory:
            from leaklab.explain import weights  # here: tracing takes as long to import as all the rest

            self._weights = weights
        self.rises = Rises(self._own, memory if follows else 0, risen)

    def begin(self) -> None:
        """The half begins now. What was there before is not what grows: only memory from now on has a line."""
        if self._weighs:
            self._sizes = self._weights.sizes_now()
            self._weights.begin()
            self.rises.begin()

    def groups(self, counters: Mapping[str, float]) -> list[dict[str, Any]]:
        """The groups of what these counters count, those with most members first."""
        if MEMORY in counters and self._lines is None:
            self._lines = self._weights.Lines(self._own)
        found = open_resources(self._recorder, counters)
        if self._only is not None:
            found = [one for one in found if one.origin is not None and one.origin.line in self._only]
        walk = Walk(self._own, [self, self._recorder, self.rises], everything=MEMORY in counters)
        walk.find([one.thing for one in found if one.thing is not None])
        groups = self._alike(found, walk)
        if MEMORY in counters:
            groups += self._memory(walk, counters[MEMORY])
        if CONNECTIONS in counters:
            groups += self._connections()
        if set(FILES) & set(counters):
            groups += self._files([name for name in FILES if name in counters])
        if SHARED in counters:
            groups += self._shared_memory()
        groups += [_group(STARTED, n, "child process", line) for line, n in Counter(self._recorder.started).items()]
        if ELAPSED in counters:
            groups += [_group(ELAPSED, 1, "the caller", waits=waits.of_thread(MAIN, self._own))]
        return sorted(groups, key=lambda group: -group["count"])[:GROUPS]

    def _alike(self, found: Sequence[OpenResource], walk: Walk) -> list[dict[str, Any]]:
        """One group for all things of one kind that come from one line and are kept in the same way."""
        shapes: dict[_Shape, list[tuple[OpenResource, Root, list[object]]]] = defaultdict(list)
        for one in found:
            root, links = (UNREACHED, []) if one.thing is None else walk.chain(one.thing)
            line = None if one.origin is None else one.origin.line
            kinds = collapsed([kind_words(link) for link in links]) if root.name else ()
            shape = _Shape(one.counter, line, root._replace(thread=""), kinds, waits.of(one.thing, self._own))
            shapes[shape].append((one, root, links))
        told: dict[object, dict[str, Any]] = {}
        most_first = sorted(shapes.items(), key=lambda shape: -len(shape[1]))
        for shape, members in most_first:
            first = members[0][0]
            group = _group(shape.counter, len(members), first.what, shape.line, waits=shape.waits)
            threads = {root.thread for _, root, _ in members}
            root = shape.root._replace(thread=threads.pop() if len(threads) == 1 else f"in {len(threads):,} threads")
            several = [links for _, _, links in members[:SAMPLED]]
            if not all(root.thread == one.what and len(links) == 1 for one, root, links in members):
                group |= self._kept(first, root, several)  # else it is a thread that is its own local name
            group["links"] = _shared(several)
            key = shape.counter, shape.line, shape.waits, group["note"], _holder(group["kept"])
            if key in told:
                told[key]["count"] += len(members)
            else:
                told[key] = group
        return list(told.values())

    def _kept(self, first: OpenResource, root: Root, several: list[list[object]]) -> dict[str, Any]:
        if first.thing is None:
            return {"note": DROPPED if first.counter in ("cursors", "sessions") else NO_OWNER}
        if not root.name:
            if len(several[0]) == 1:
                return {"note": f"{NO_OWNER}: a running expression or code in C holds it"}
            return {"kept": [*named(root._replace(name=kind_words(several[0][0])), several)], "note": ""}
        if first.counter in ("threads", "children", "tasks") and not root.own:
            return {"note": ""}  # it goes on by itself
        chain = named(root, several)
        if root.thread:
            chain = chain._replace(root=f"{chain.root}, {root.thread}")
        if all(len(links) == 1 for links in several):
            chain = chain._replace(through=with_article(first.what))
        return {"kept": [*chain], "own": root.own, "note": ""}

    def _memory(self, walk: Walk, wanted: float) -> list[dict[str, Any]]:
        heavy = self._weights.Heavy(walk, wanted, self._sizes)
        found = [self._heavy(thing, size) for thing, size in heavy.big]
        groups = self._alike(found, walk)
        if heavy.holder is not None:
            root, links = walk.chain(heavy.holder)
            chain = named(root, [[*links, one] for one in heavy.held[:SAMPLED]] or [links])
            holder = self._heavy(heavy.holder, heavy.held_size)
            line = None if holder.origin is None else holder.origin.line
            groups.insert(
                0, _group(MEMORY, max(1, len(heavy.held)), holder.what, line) | {"kept": [*chain], "own": root.own}
            )
        if not any(group["opened"] for group in groups) and (line := self.rises.line()) is not None:
            # A library made it for a line of the half, or it belongs to no object.
            if not groups and not self._has_told_memory:
                groups.append(_group(MEMORY, 1, "memory") | {"note": NO_OWNER})
            for first in groups[:1]:
                first["opened"] = line
        self._has_told_memory = self._has_told_memory or bool(groups)
        return groups

    def _heavy(self, thing: object, size: int) -> OpenResource:
        """Memory, with the line that made it, or most of what is in it."""
        line = None if self._lines is None else self._lines.of_one(thing)
        what = f"{kind_words(thing)} of {size / 2**20:,.0f} MiB"
        return OpenResource(MEMORY, thing, what, None if line is None else Origin(line, own=True))

    def _connections(self) -> list[dict[str, Any]]:
        return [
            _group(CONNECTIONS, len(several), "connection", line) | {"became": fates.fate(several)}
            for line, several in fates.by_line(self._recorder, self._ports).items()
        ]

    def _shared_memory(self) -> list[dict[str, Any]]:
        made = {path: origin for path, origin in self._recorder.paths.items() if path.startswith(SHARED_MEMORY)}
        lines = Counter(origin.line for path, origin in made.items() if os.path.exists(path))  # noqa: PTH110
        return [_group(SHARED, count, "shared memory segment", line) for line, count in lines.items()]

    def _files(self, counters: Sequence[str]) -> list[dict[str, Any]]:
        by_line: dict[Line | None, list[str]] = defaultdict(list)
        folder = os.environ.get("TMPDIR", "")
        for place, _, names in os.walk(os.path.realpath(folder)) if folder else ():
            for name in names:
                path = os.path.join(place, name)  # noqa: PTH118
                plain = os.path.join(folder, os.path.relpath(path, os.path.realpath(folder)))  # noqa: PTH118
                origin = self._recorder.paths.get(plain) or self._recorder.paths.get(path)
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
    return told | {"kept": None, "own": False, "became": "", "note": ""}


def _shared(several: list[list[object]]) -> list[str]:
    """The types of what all these chains lead through; not that of a cache without a bound."""
    shared = set.intersection(*(set(map(id, links)) for links in several))
    cached: Any = getattr(sys.modules.get("functools"), "_lru_cache_wrapper", None)
    through = [link for link in several[0] if id(link) in shared]
    caches = [link for link in through if id(type(link)) == id(cached)]
    unbounded = {id(cache) for cache in caches if cached.cache_info(cache).maxsize is None}
    return [kind_words(link) for link in through if id(link) not in unbounded]


def _holder(kept: list[str] | None) -> object:
    """The container of a chain: what several are kept in by one name is told once, also where the ways to it differ."""
    if kept is None:
        return None
    chain, root, _ = kept
    name, bracket, _ = re.split(r"(\[(?:…|\d+)\]|$)", chain, maxsplit=1)
    return (name if bracket else re.split(r"[. ]", chain, maxsplit=1)[0]).replace("…", ""), root
