"""From growth per step to its consequence: after how many steps the process reaches a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leaklab.judge import sentences
from leaklab.judge.growth import Shape
from leaklab.judge.summary import MetricSummary
from leaklab.metrics import METRICS
from leaklab.units import format_size

CURSOR_TIMEOUT_S = 600
"""Seconds after which a MongoDB server kills an idle cursor (MongoDB manual, cursorTimeoutMillis: 600,000); a cursor
opened in a session lives as long as the session, 30 minutes (localLogicalSessionTimeoutMinutes)."""

CURSOR_RATE = 10
"""Steps per second assumed by the forecast of cursors, which are bounded by time, not by a number."""


@dataclass(frozen=True, slots=True)
class Capacities:
    """The limits of a process on this machine; None means unknown or unlimited.

    Attributes:
        descriptors: open file descriptors.
        descriptors_are: where that number comes from; by default, the soft limit that a process starts with.
        memory: bytes above those the half holds before its first step.
        memory_is: what a sentence calls them.
        threads: threads of this user.
    """

    descriptors: int | None = None
    descriptors_are: str = "ulimit -n"
    memory: int | None = None
    memory_is: str = "of free memory"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The consequence of growth that goes on as it was measured.

    Attributes:
        metric: what grows.
        per_step: by how much, in the metric's unit.
        limit: the limit it reaches, in the metric's unit.
        steps: whole steps until then.
        words: the forecast as a sentence.
    """

    metric: str
    per_step: float
    limit: float
    steps: int
    words: str


def forecasts(summary: Mapping[str, MetricSummary | None], capacities: Capacities) -> tuple[Forecast, ...]:
    """The consequence of each steady growth of a half, in the order of the metrics' table."""
    found: list[Forecast] = []
    sockets, descriptors = _growing(summary, "open_sockets"), _growing(summary, "open_fds")
    if descriptors is not None and capacities.descriptors is not None:
        # Sockets are file descriptors: they share the limit, and the reader knows them as sockets.
        named = "open_sockets" if sockets is not None and sockets.per_step == descriptors.per_step else "open_fds"
        words = f"the limit of {capacities.descriptors:,} open files ({capacities.descriptors_are}) is reached"
        found += _until(descriptors, named, capacities.descriptors, words)
    threads = _growing(summary, "threads")
    if threads is not None and capacities.threads is not None:
        words = f"the limit of {capacities.threads:,} threads is reached"
        found += _until(threads, "threads", capacities.threads, words)
    memory = _growing(summary, "rss")
    if memory is not None and capacities.memory is not None:
        words = f"the {format_size(capacities.memory)} {capacities.memory_is} is used up"
        found += _until(memory, "rss", (memory.baseline or 0) + capacities.memory, words)
    cursors = _growing(summary, "open_cursors")
    if cursors is not None and cursors.per_step:
        steps = CURSOR_RATE * CURSOR_TIMEOUT_S
        still_open = int(cursors.per_step * steps)
        words = sentences.forecast_of_cursors(
            cursors.metric, cursors.per_step, still_open, CURSOR_RATE, CURSOR_TIMEOUT_S // 60
        )
        found.append(Forecast("open_cursors", cursors.per_step, still_open, steps, words))
    return tuple(found)


def _growing(summary: Mapping[str, MetricSummary | None], name: str) -> MetricSummary | None:
    metric = summary.get(name)
    steady = metric is not None and metric.growth is not None and metric.growth.shape is Shape.STEADY
    return metric if steady else None


def _until(metric: MetricSummary, named: str, limit: int | float, words: str) -> list[Forecast]:
    per_step, growth = metric.per_step, metric.growth
    # From the last step on: what `run` opens before its first step does not come again.
    reached = metric.peak if metric.end is None else metric.end
    if not per_step or growth is None or reached is None:
        return []
    steps = max(0, growth.steps + int((limit - reached) / per_step))
    return [Forecast(named, per_step, limit, steps, sentences.forecast(METRICS[named], per_step, words, steps))]
