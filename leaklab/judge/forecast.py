"""From growth per step to consequence: after how many steps a process that goes on like this meets a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leaklab.judge.growth import Shape
from leaklab.judge.summary import MetricSummary
from leaklab.metrics import METRICS
from leaklab.units import format_size

CURSOR_TIMEOUT_S = 600
"""Seconds after which a MongoDB server kills an idle cursor (MongoDB manual, cursorTimeoutMillis: 600,000);
one that was opened in a session lives as long as that, 30 minutes (localLogicalSessionTimeoutMinutes)."""

CURSOR_RATE = 10
"""Steps a second at which the forecast for cursors is made: they are bounded by time, not by a number."""


@dataclass(frozen=True, slots=True)
class Capacities:
    """What a process may have on this machine; None is not known, or no limit.

    Attributes:
        descriptors: open descriptors.
        descriptors_are: where that number comes from; by itself, the soft limit a process is started with.
        memory: bytes above what the half holds before its first step.
        memory_is: how a sentence calls them.
        threads: threads of this user.
    """

    descriptors: int | None = None
    descriptors_are: str = "ulimit -n"
    memory: int | None = None
    memory_is: str = "that are free"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will happen if a half goes on as it was measured.

    Attributes:
        metric: what grows.
        per_step: by how much, in the metric's unit.
        limit: what it meets, in the metric's unit.
        steps: whole steps until then.
        words: all of it, in a sentence.
    """

    metric: str
    per_step: float
    limit: float
    steps: int
    words: str


def forecasts(summary: Mapping[str, MetricSummary | None], capacities: Capacities) -> tuple[Forecast, ...]:
    """What each steady growth of a half leads to, in the order of the metrics' table."""
    found: list[Forecast] = []
    sockets, descriptors = _growing(summary, "open_sockets"), _growing(summary, "open_fds")
    if descriptors is not None and capacities.descriptors is not None:
        # Sockets are descriptors: their limit is one, and what they are called is what the reader knows.
        named = "open_sockets" if sockets is not None and sockets.per_step == descriptors.per_step else "open_fds"
        found += _until(
            descriptors,
            named,
            capacities.descriptors,
            f"its limit of {capacities.descriptors:,} descriptors ({capacities.descriptors_are})",
        )
    threads = _growing(summary, "threads")
    if threads is not None and capacities.threads is not None:
        found += _until(threads, "threads", capacities.threads, f"the limit of {capacities.threads:,} threads")
    memory = _growing(summary, "rss")
    if memory is not None and capacities.memory is not None:
        free = f"the {format_size(capacities.memory)} {capacities.memory_is}"
        baseline = memory.baseline or 0
        found += _until(memory, "rss", baseline + capacities.memory, free)
    cursors = _growing(summary, "open_cursors")
    if cursors is not None and cursors.per_step:
        open_at_once = int(cursors.per_step * CURSOR_RATE * CURSOR_TIMEOUT_S)
        found.append(
            Forecast(
                "open_cursors",
                cursors.per_step,
                open_at_once,
                CURSOR_RATE * CURSOR_TIMEOUT_S,
                f"{_pace('open_cursors', cursors.per_step)}: a MongoDB server keeps each until it was idle for "
                f"{CURSOR_TIMEOUT_S // 60} minutes (30 in a session), so at {CURSOR_RATE} steps a second it keeps at "
                f"least {open_at_once:,} open",
            )
        )
    return tuple(found)


def _growing(summary: Mapping[str, MetricSummary | None], name: str) -> MetricSummary | None:
    metric = summary.get(name)
    steady = metric is not None and metric.growth is not None and metric.growth.shape is Shape.STEADY
    return metric if steady else None


def _until(metric: MetricSummary, named: str, limit: int | float, limit_in_words: str) -> list[Forecast]:
    per_step, growth = metric.per_step, metric.growth
    # From where it was seen last: what `run` opens before its first step is no part of the pace.
    there = metric.peak if metric.end is None else metric.end
    if not per_step or growth is None or there is None:
        return []
    steps = max(0, growth.steps + int((limit - there) / per_step))
    words = f"{_pace(named, per_step)}: this process reaches {limit_in_words} after about {steps:,} steps"
    return [Forecast(named, per_step, limit, steps, words)]


def _pace(name: str, per_step: float) -> str:
    metric = METRICS[name]
    if metric.unit == "bytes":
        return f"{format_size(per_step)} per step"
    return f"{per_step:.2f} {metric.plural} per step"
