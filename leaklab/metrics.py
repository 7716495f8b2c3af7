"""The one table of what leaklab counts: name, label, unit, who counts it, how it is judged, where it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from leaklab.units import format_duration, format_size


class FindingKind(StrEnum):
    """The kinds of findings."""

    LEAKED = "leaked"
    HELD = "held"
    WASTED = "wasted"
    STALLED = "stalled"

    @property
    def means(self) -> str:
        """What it means, in at most three words: a report says it where the kind appears first."""
        return {
            FindingKind.LEAKED: "still there afterwards",
            FindingKind.HELD: "gone afterwards",
            FindingKind.WASTED: "not reused",
            FindingKind.STALLED: "past its deadline",
        }[self]


class Judge(StrEnum):
    """How the growth of a metric with the work becomes a finding."""

    LEFT_OPEN = "left-open"
    """What survives return and gc is `leaked`; what was there at the same time, and is gone after return, is `held`."""

    LEFT_BEHIND = "left-behind"
    """What survives is `leaked`; many at the same time do no harm."""

    REUSE = "reuse"
    """Opened for a part of the work each, instead of being used again: `wasted`."""

    DEADLINE = "deadline"
    """Seconds, judged against the scenario's deadline: `stalled`."""

    WORK = "work"
    """Never a finding: says that the halves did equal work, or explains another metric."""


class Moment(StrEnum):
    """Which moment of a summary a row of a table shows."""

    PEAK = "peak"
    END = "end"
    COLLECTED = "collected"


JUDGED: Mapping[Judge, tuple[tuple[Moment, FindingKind], ...]] = {
    Judge.LEFT_OPEN: ((Moment.COLLECTED, FindingKind.LEAKED), (Moment.PEAK, FindingKind.HELD)),
    Judge.LEFT_BEHIND: ((Moment.COLLECTED, FindingKind.LEAKED),),
    Judge.REUSE: ((Moment.COLLECTED, FindingKind.WASTED),),
}
"""The moments at which a metric is judged, and what its growth is called then; the first that grows is told."""


class Resource(StrEnum):
    """What runs out as a metric grows, in the order in which that is forecast; the server has no limit of cursors."""

    DESCRIPTORS = "descriptors"
    THREADS = "threads"
    MEMORY = "memory"
    CURSORS = "cursors of the server"


@dataclass(frozen=True, slots=True)
class Metric:
    """One counted thing.

    Attributes:
        name: the key in the result document, one of the words of the design.
        label: what a table calls it.
        singular: one of what it counts, for sentences; of bytes, what they are.
        counter: what the probes call it; empty for one that is not counted but timed.
        unit: `count`, `bytes` or `seconds`.
        judge: how its growth becomes a finding.
        state: what each of them is while it is there, for sentences.
        remains: what is said of those that survive; `{after}` stands for after what.
        made: what the line did that one of them comes from.
        moments: the moments a table shows, in order.
        rare: whether a table leaves it out where there are only a few.
        part_of: the metric that counts it too, among others: a socket is a file descriptor.
        serves: the metric that counts what each of them was used for: a connection serves requests.
        explains: the metric of whose findings it says more: so many of these sockets are in CLOSE_WAIT.
        budgeted: whether a scenario's memory budget is for it.
        abandoned: whether it is judged where a caller gave up: work that goes on is `stalled`.
        resource: what it uses up.
        services: the kinds of service that it takes to count it, any of them; empty where the system counts it.
    """

    name: str
    label: str
    singular: str
    counter: str
    unit: str = "count"
    judge: Judge = Judge.LEFT_OPEN
    state: str = "open"
    remains: str = "still open {after}"
    made: str = "opened"
    moments: tuple[Moment, ...] = (Moment.PEAK, Moment.COLLECTED)
    rare: bool = False
    part_of: str | None = None
    serves: str | None = None
    explains: str | None = None
    budgeted: bool = False
    abandoned: bool = False
    resource: Resource | None = None
    services: tuple[str, ...] = ()

    @property
    def floor(self) -> float:
        """The smallest growth that is judged, in the metric's unit."""
        return MEMORY_FLOOR if self.unit == "bytes" else COUNT_FLOOR

    @property
    def least(self) -> float:
        """The smallest growth that is worth a word."""
        return MEMORY_SUSPECT if self.unit == "bytes" else 1

    @property
    def plural(self) -> str:
        """Many of what it counts."""
        return f"{self.singular}{'es' if self.singular.endswith('s') else 's'}"

    def format(self, value: float | None) -> str:
        """`value` as a table shows it; a dash where it could not be read."""
        if value is None:
            return "–"
        if self.unit == "bytes":
            return format_size(value)
        if self.unit == "seconds":
            return format_duration(value)
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"

    def quantity(self, value: float) -> str:
        """`value` with the name of what is counted: `50 sockets`, `1 thread`, `256 MiB of memory`, `3.01 s`."""
        if self.unit == "seconds":
            return self.format(value)
        if self.unit == "bytes":
            return f"{self.format(value)} of {self.singular}"
        return f"{self.format(value)} {self.singular if value == 1 else self.plural}"


MEMORY_FLOOR = 16 * 2**20
"""Bytes below which a change of memory is never judged: identical runs differ by some MiB (allocator, imports)."""

MEMORY_SUSPECT = 4 * 2**20
"""Bytes above the baseline up to which one run alone says that memory does not grow."""

COUNT_FLOOR = 3
"""Things by which a count must grow: fewer are made lazily, once."""

SOCKETS = "sockets"
"""The counter of open sockets: the system counts it, and a service knows its peak."""

TASKS = "tasks"
"""The counter of asyncio tasks: the process itself has to count them."""

RUNNING = "still running {after}"

_METRICS = (
    Metric(
        "open_sockets", "open sockets", "socket", SOCKETS, part_of="open_fds", abandoned=True,
        resource=Resource.DESCRIPTORS, services=("http", "mongo"),
    ),
    Metric(
        "sockets_close_wait", "sockets in CLOSE_WAIT", "socket in CLOSE_WAIT", "close_wait", judge=Judge.WORK,
        rare=True, remains="in CLOSE_WAIT: the other end has hung up", explains="open_sockets",
        services=("http", "mongo"),
    ),
    Metric(
        "connections_opened", "connections opened", "connection", "connections", judge=Judge.REUSE,
        moments=(Moment.COLLECTED,), serves="requests_served", services=("http", "mongo"),
    ),
    Metric(
        "connections_spent", "connections not reusable", "connection that could not be reused", "spent",
        judge=Judge.WORK, moments=(Moment.COLLECTED,), rare=True, part_of="connections_opened", services=("http",),
    ),
    Metric(
        "requests_served", "requests served", "request", "requests", judge=Judge.WORK,
        moments=(Moment.COLLECTED,), services=("http", "mongo"),
    ),
    Metric(
        "open_cursors", "open cursors", "cursor", "cursors", resource=Resource.CURSORS, services=("mongo",),
    ),
    # Those that open cursors do not account for.
    Metric("open_sessions", "open sessions", "session", "sessions", rare=True, services=("mongo",)),
    Metric(
        "threads", "threads", "thread", "threads", state="running", remains=RUNNING, made="started",
        abandoned=True, resource=Resource.THREADS,
    ),
    Metric(
        "tasks", "asyncio tasks", "task", TASKS, judge=Judge.LEFT_BEHIND, state="pending",
        remains="still pending at the end of their event loop", made="started", rare=True,
    ),
    Metric(
        "goroutines", "goroutines", "goroutine", "goroutines", state="running", remains=RUNNING, made="started",
        rare=True, abandoned=True,
    ),
    Metric(
        "child_processes", "child processes", "child process", "children", state="running", remains=RUNNING,
        made="started", rare=True, abandoned=True,
    ),
    Metric(
        "zombie_processes", "zombie processes", "zombie process", "zombies", judge=Judge.LEFT_BEHIND,
        state="not waited for", remains="still not waited for {after}", made="started", rare=True,
    ),
    Metric("open_fds", "file descriptors", "file descriptor", "fds", resource=Resource.DESCRIPTORS),
    Metric(
        "files_left", "files left", "file", "files", judge=Judge.LEFT_BEHIND, state="in the temporary folder",
        remains="still in the temporary folder {after}", made="made", rare=True,
    ),
    Metric(
        "bytes_left", "size of files left", "files", "file_bytes", "bytes", Judge.LEFT_BEHIND, "on disk",
        "still on disk {after}", "made", rare=True,
    ),
    Metric(
        "shared_memory_left", "shared memory left", "shared memory segment", "shared", judge=Judge.LEFT_BEHIND,
        state="there", remains="still there {after}", made="made", rare=True,
    ),
    Metric(
        "rss", "memory", "memory", "rss", "bytes", state="held", remains="still held {after}",
        made="made", moments=(Moment.PEAK, Moment.END, Moment.COLLECTED),
        budgeted=True, resource=Resource.MEMORY,
    ),
    Metric(
        "elapsed", "elapsed", "second", "", "seconds", Judge.DEADLINE, made="started", moments=(Moment.PEAK,),
    ),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
"""The table: adding a metric is adding an entry."""

# The metrics that code has to name.
OPEN_SOCKETS = METRICS["open_sockets"]
CONNECTIONS_OPENED = METRICS["connections_opened"]
REQUESTS_SERVED = METRICS["requests_served"]
OPEN_CURSORS = METRICS["open_cursors"]
THREADS = METRICS["threads"]
OPEN_FDS = METRICS["open_fds"]
RSS = METRICS["rss"]
ELAPSED = METRICS["elapsed"]
