"""The one table of what a test can leave open, and what is watched in one test: kinds and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from leaklab.errors import UsageError

CONNECTIONS = 10
"""Connections that one line may open to one address, by default."""


class WatchedKind(NamedTuple):
    """One kind of thing.

    Attributes:
        metric: what counts it in the metrics' table.
        counters: what `leaklab.explain` calls such things.
        others: the metrics of those that are called so, where it is another one.
        singular: what one of them is called, where the metric counts others, too.
        ends_within_s: seconds in which it may still end by itself once the test is over.
        pooled: whether a pool, a cache or a module may keep one for later on purpose.
    """

    metric: str
    counters: tuple[str, ...] = ()
    ends_within_s: float = 0.2
    pooled: bool = True
    others: Mapping[str, str] = {}  # it is never changed
    singular: str = ""


KINDS: Mapping[str, WatchedKind] = {
    "sockets": WatchedKind("open_sockets", ("sockets", "fds"), ends_within_s=0.5),
    "connections": WatchedKind("connections_opened"),
    # pymongo's own thread ends the cursors that were dropped, once a second.
    "cursors": WatchedKind("open_cursors", ("cursors",), ends_within_s=2.0, pooled=False),
    "threads": WatchedKind("threads", ("threads",), ends_within_s=2.0),
    "tasks": WatchedKind("tasks", ("tasks",), pooled=False),
    "children": WatchedKind("child_processes", ("children", "zombies"), 2.0, others={"zombies": "zombie_processes"}),
    "files": WatchedKind("open_fds", ("fds",), singular="file"),
    "fds": WatchedKind("open_fds", ("fds",)),
    "memory": WatchedKind("rss", ("rss",)),
}
"""The kinds, by the names of the options of `no_leaks`."""


class Wanted(NamedTuple):
    """What is watched in one test.

    Attributes:
        kinds: the names of the kinds.
        connections: how many of them one line may open to one address.
        memory: bytes by which each run may add to the memory of the process; None if it is not watched.
    """

    kinds: frozenset[str] = frozenset(KINDS) - {"memory"}
    connections: int = CONNECTIONS
    memory: int | None = None

    def with_options(self, options: Mapping[str, Any], *, where: str) -> Self:
        """The same, changed as options say: True or False for each kind, and a limit for connections and memory.

        Raises UsageError, which begins with `where`, if there is no such kind, or a value is none of these.
        """
        kinds, connections, memory = set(self.kinds), self.connections, self.memory
        for name, value in options.items():
            if name not in KINDS:
                raise UsageError(f"{where}: there is no kind {name!r}. The kinds are {', '.join(KINDS)}.")
            if value is False or value is None:
                kinds.discard(name)
            elif name == "memory":
                memory = _bytes(value, f"{where}: memory")
                kinds.add(name)
            elif name == "connections" and value is not True:
                if not isinstance(value, int) or value < 0:
                    raise UsageError(f"{where}: connections={value!r}: give a number, such as {CONNECTIONS}")
                connections = value
                kinds.add(name)
            elif value is True:
                kinds.add(name)
            else:
                raise UsageError(f"{where}: {name}={value!r}: give True or False")
        return self._replace(kinds=frozenset(kinds), connections=connections, memory=memory)

    def with_memory(self, size: str, *, where: str) -> Self:
        """The same with memory watched, to this limit. Raises UsageError, which begins with `where`, if it is none."""
        return self._replace(kinds=self.kinds | {"memory"}, memory=_bytes(size, where))


def _bytes(value: Any, where: str) -> int:
    """Bytes. Raises UsageError if the value is not a size."""
    from leaklab.units import parse_size

    try:
        if isinstance(value, bool) or (size := value if isinstance(value, int) else parse_size(str(value))) <= 0:
            raise ValueError(f"{value!r} is not a size: write a number and a unit, like 16MiB")
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    return size
