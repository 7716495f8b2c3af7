"""The one table of what leaklab counts: name, label, unit, who counts it, how it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from leaklab.units import format_duration, format_size


class Judge(StrEnum):
    """How a metric's trace becomes a finding."""

    LEFT_OPEN = "left-open"
    """Exact counter of things to close: growth that survives is `leaked`, growth that return undoes is `held`."""

    REUSE = "reuse"
    """Exact counter that only rises: growth per step means that connections are not reused, `wasted`."""

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


@dataclass(frozen=True, slots=True)
class Metric:
    """One counted thing.

    Attributes:
        name: the key in the result document, one of the words of the design.
        label: what a table calls it.
        singular: one of what it counts, for sentences.
        plural: many of what it counts.
        counter: what the probes call it; empty for one that is not counted but timed.
        unit: `count`, `bytes` or `seconds`.
        judge: how its trace becomes a finding.
        moments: the moments a table shows, in order.
        least: the smallest change that counts as one, in the metric's unit.
        rare: whether a table leaves it out where there was never any.
        part_of: the metric that counts it too, among others: a socket is a file descriptor.
        services: the kinds of service that it takes to count it, any of them; empty where the system counts it.
    """

    name: str
    label: str
    singular: str
    plural: str
    counter: str
    unit: str = "count"
    judge: Judge = Judge.LEFT_OPEN
    moments: tuple[Moment, ...] = (Moment.PEAK, Moment.COLLECTED)
    least: int = 1
    rare: bool = False
    part_of: str | None = None
    services: tuple[str, ...] = ()

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

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="open_sockets",
            label="open sockets",
            singular="socket",
            plural="sockets",
            counter=SOCKETS,
            part_of="open_fds",
            services=("http", "mongo"),
        ),
        Metric(
            name="connections_opened",
            label="connections opened",
            singular="connection",
            plural="connections",
            judge=Judge.REUSE,
            counter="connections",
            moments=(Moment.COLLECTED,),
            services=("http", "mongo"),
        ),
        Metric(
            name="requests_served",
            label="requests served",
            singular="request",
            plural="requests",
            judge=Judge.WORK,
            counter="requests",
            moments=(Moment.COLLECTED,),
            services=("http", "mongo"),
        ),
        Metric(
            name="open_cursors",
            label="open cursors",
            singular="cursor",
            plural="cursors",
            counter="cursors",
            services=("mongo",),
        ),
        Metric(
            name="threads",
            label="threads",
            singular="thread",
            plural="threads",
            counter="threads",
        ),
        Metric(
            name="child_processes",
            label="child processes",
            singular="child process",
            plural="child processes",
            counter="children",
            rare=True,
        ),
        Metric(
            name="open_fds",
            label="file descriptors",
            singular="file descriptor",
            plural="file descriptors",
            counter="fds",
        ),
        Metric(
            name="rss",
            label="memory (RSS)",
            singular="byte",
            plural="bytes",
            unit="bytes",
            judge=Judge.MEMORY,
            counter="rss",
            moments=(Moment.PEAK, Moment.END, Moment.COLLECTED),
            least=MEMORY_FLOOR,
        ),
        Metric(
            name="elapsed",
            label="elapsed",
            singular="second",
            plural="seconds",
            unit="seconds",
            judge=Judge.DEADLINE,
            counter="",
            moments=(Moment.PEAK,),
        ),
    )
}
