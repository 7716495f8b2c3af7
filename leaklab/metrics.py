"""The one table of what leaklab counts: name, label, unit, who counts it, how it is judged, where it is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from leaklab.units import format_duration, format_size


class Judge(StrEnum):
    """How a metric's trace becomes a finding."""

    LEFT_OPEN = "left-open"
    """Exact counter of things to close: growth that survives is `leaked`, growth that return undoes is `held`."""

    REUSE = "reuse"
    """Exact counter that only rises: growth per step means that connections are not reused, `wasted`."""

    LEFT_BEHIND = "left-behind"
    """Exact counter of things of which many at the same time do no harm: only what survives is judged, `leaked`."""

    MEMORY = "memory"
    """Bytes, noisy: judged like LEFT_OPEN, but only above a floor, or against the scenario's own budget."""

    DEADLINE = "deadline"
    """Seconds, judged against the scenario's deadline: `stalled`."""

    WORK = "work"
    """Never a finding: says that the halves did equal work."""


class Moment(StrEnum):
    """Which moment of a summary a row of a table shows."""

    PEAK = "peak"
    END = "end"
    COLLECTED = "collected"


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
        singular: one of what it counts, for sentences.
        counter: what the probes call it; empty for one that is not counted but timed.
        unit: `count`, `bytes` or `seconds`.
        judge: how its trace becomes a finding.
        moments: the moments a table shows, in order.
        heads: the heads of its columns in a comparison, by moment; a line break is for narrow tables.
        least: the smallest change that counts as one, in the metric's unit.
        rare: whether a table leaves it out where there was never any.
        part_of: the metric that counts it too, among others: a socket is a file descriptor.
        serves: the metric that counts what each of them was used for: a connection serves requests.
        pooled_with: the metric of what has one of these each, whatever the steps: a thread of a pool has a socket.
        pool_size: as many as this are a pool of the usual size, and not `held`.
        exact_peak: whether the services count it at every moment, not only when a sample is taken.
        runs: whether it runs; other things are open.
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
    moments: tuple[Moment, ...] = (Moment.PEAK, Moment.COLLECTED)
    heads: Mapping[Moment, str] = field(default_factory=dict, hash=False)
    least: int = 1
    rare: bool = False
    part_of: str | None = None
    serves: str | None = None
    pooled_with: str | None = None
    pool_size: int = 0
    exact_peak: bool = False
    runs: bool = False
    abandoned: bool = False
    resource: Resource | None = None
    services: tuple[str, ...] = ()

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
        """`value` with the name of what is counted: `50 sockets`, `1 thread`, `256 MiB`."""
        if self.unit != "count":
            return self.format(value)
        return f"{self.format(value)} {self.singular if value == 1 else self.plural}"


MEMORY_FLOOR = 16 * 2**20
"""Bytes below which a change of RSS is never judged: identical runs differ by some MiB (allocator, imports)."""

SOCKETS = "sockets"
"""The counter of open sockets: the system counts it, and a service knows its peak."""

TASKS = "tasks"
"""The counter of asyncio tasks: the process itself has to count them."""

POOL_SIZE = 32
"""The most threads that Python's ThreadPoolExecutor starts by default (documentation of concurrent.futures); a
pool of processes is as large as the machine has processors."""

_METRICS = (
    Metric(
        "open_sockets", "open sockets", "socket", SOCKETS, heads={Moment.PEAK: "open\nsockets"}, part_of="open_fds",
        pooled_with="threads", exact_peak=True, abandoned=True, resource=Resource.DESCRIPTORS,
        services=("http", "mongo"),
    ),
    Metric(
        "sockets_close_wait", "CLOSE_WAIT sockets", "CLOSE_WAIT socket", "close_wait", judge=Judge.WORK, rare=True,
        services=("http", "mongo"),
    ),
    Metric(
        "connections_opened", "connections opened", "connection", "connections", judge=Judge.REUSE,
        moments=(Moment.COLLECTED,), heads={Moment.PEAK: "conns\nopened"}, serves="requests_served",
        pooled_with="threads", services=("http", "mongo"),
    ),
    Metric(
        "connections_spent", "connections spent", "spent connection", "spent", judge=Judge.WORK,
        moments=(Moment.COLLECTED,), rare=True, part_of="connections_opened", services=("http",),
    ),
    Metric(
        "requests_served", "requests served", "request", "requests", judge=Judge.WORK,
        moments=(Moment.COLLECTED,), services=("http", "mongo"),
    ),
    Metric(
        "open_cursors", "open cursors", "cursor", "cursors", heads={Moment.PEAK: "open\ncursors"}, exact_peak=True,
        resource=Resource.CURSORS, services=("mongo",),
    ),
    # Those that open cursors do not account for.
    Metric("open_sessions", "open sessions", "session", "sessions", rare=True, services=("mongo",)),
    Metric(
        "threads", "threads", "thread", "threads", heads={Moment.PEAK: "threads\n"}, pool_size=POOL_SIZE, runs=True,
        abandoned=True, resource=Resource.THREADS,
    ),
    Metric("tasks", "asyncio tasks", "task", "tasks", judge=Judge.LEFT_BEHIND, rare=True, runs=True),
    Metric(
        "child_processes", "child processes", "child process", "children", rare=True, pool_size=POOL_SIZE, runs=True,
        abandoned=True,
    ),
    Metric("zombie_processes", "zombie processes", "zombie process", "zombies", judge=Judge.LEFT_BEHIND, rare=True),
    Metric("open_fds", "file descriptors", "file descriptor", "fds", resource=Resource.DESCRIPTORS),
    Metric("files_left", "files left", "file", "files", judge=Judge.LEFT_BEHIND, rare=True),
    Metric(
        "bytes_left", "size of files left", "byte", "file_bytes", "bytes", Judge.MEMORY, least=MEMORY_FLOOR, rare=True,
    ),
    Metric(
        "rss", "memory (RSS)", "byte", "rss", "bytes", Judge.MEMORY, (Moment.PEAK, Moment.END, Moment.COLLECTED),
        heads={Moment.PEAK: "peak RSS", Moment.END: "end RSS"}, least=MEMORY_FLOOR, resource=Resource.MEMORY,
    ),
    Metric(
        "elapsed", "elapsed", "second", "", "seconds", Judge.DEADLINE, (Moment.PEAK,), heads={Moment.PEAK: "time"},
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
