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
        unit: `count`, `bytes` or `seconds`.
        judge: how its trace becomes a finding.
        counter: what the probes call it; empty for one that is not counted but timed.
        moments: the moments a table shows, in order.
        least: the smallest change that counts as one, in the metric's unit.
        rare: whether a table leaves it out where there was never any.
        part_of: the metric that counts it too, among others: a socket is a file descriptor.
        services: the kinds of service that it takes to count it, any of them; empty where the system counts it.
        exact_peak: whether a service counts it at every moment, and not only when a sample is taken.
    """

    name: str
    label: str
    singular: str
    plural: str
    unit: str
    judge: Judge
    counter: str
    moments: tuple[Moment, ...]
    least: int = 1
    rare: bool = False
    part_of: str | None = None
    services: tuple[str, ...] = ()
    exact_peak: bool = False

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
            unit="count",
            judge=Judge.LEFT_OPEN,
            counter=SOCKETS,
            moments=(Moment.PEAK, Moment.COLLECTED),
            part_of="open_fds",
            services=("http", "mongo"),
            exact_peak=True,
        ),
        Metric(
            name="connections_opened",
            label="connections opened",
            singular="connection",
            plural="connections",
            unit="count",
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
            unit="count",
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
            unit="count",
            judge=Judge.LEFT_OPEN,
            counter="cursors",
            moments=(Moment.PEAK, Moment.COLLECTED),
            services=("mongo",),
            exact_peak=True,
        ),
        Metric(
            name="threads",
            label="threads",
            singular="thread",
            plural="threads",
            unit="count",
            judge=Judge.LEFT_OPEN,
            counter="threads",
            moments=(Moment.PEAK, Moment.COLLECTED),
        ),
        Metric(
            name="child_processes",
            label="child processes",
            singular="child process",
            plural="child processes",
            unit="count",
            judge=Judge.LEFT_OPEN,
            counter="children",
            moments=(Moment.PEAK, Moment.COLLECTED),
            rare=True,
        ),
        Metric(
            name="open_fds",
            label="file descriptors",
            singular="file descriptor",
            plural="file descriptors",
            unit="count",
            judge=Judge.LEFT_OPEN,
            counter="fds",
            moments=(Moment.PEAK, Moment.COLLECTED),
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
