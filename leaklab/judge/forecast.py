"""From growth per step to its consequence: after how many steps the process reaches a limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from leaklab.judge import sentences
from leaklab.judge.growth import Shape
from leaklab.judge.summary import MetricSummary
from leaklab.judge.verdict import MetricName, Quantity, Words
from leaklab.metrics import Resource
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


class Forecast(Struct, frozen=True, forbid_unknown_fields=True):
    """The step at which a process that goes on like this reaches a limit."""

    metric: MetricName
    per_step: Annotated[float, Meta(gt=0, description="Growth per step, in the metric's unit.")]
    limit: Annotated[Quantity, Meta(description="The limit it reaches, in the metric's unit.")]
    steps: Annotated[int, Meta(ge=0, description="Whole steps until then.")]
    words: Annotated[Words, Meta(description="All of it in a sentence.")]


def forecasts(summary: Mapping[str, MetricSummary | None], capacities: Capacities) -> tuple[Forecast, ...]:
    """The consequence of each steady growth of a half, in the order of the resources."""
    found: list[Forecast] = []
    limits = _limits(capacities)
    read = filter(None, summary.values())
    steady = [(metric, metric.growth) for metric in read if metric.growth and metric.growth.shape is Shape.STEADY]
    by_resource = {one.metric.resource: (one, growth) for one, growth in steady if one.metric.part_of is None}
    for resource in [resource for resource in Resource if resource in by_resource]:
        metric, growth = by_resource[resource]
        named, pace = metric.metric, growth.per_step
        if resource is Resource.CURSORS:
            steps = CURSOR_RATE * CURSOR_TIMEOUT_S
            limit: float = int(pace * steps)
            words = sentences.forecast_of_cursors(named, pace, int(limit), CURSOR_RATE, CURSOR_TIMEOUT_S // 60)
        elif resource in limits:
            capacity, consequence = limits[resource]
            limit = capacity + ((metric.baseline or 0) if resource is Resource.MEMORY else 0)
            # Sockets are file descriptors: they share the limit, and the reader knows them as sockets.
            parts = (part.metric for part, its in steady if its.per_step == pace)
            named = next((part for part in parts if part.part_of == named.name), named)
            # From the last step on: what `run` opens before its first step does not come again.
            reached = metric.peak if metric.end is None else metric.end
            steps = max(0, growth.steps + int((limit - (reached or 0)) / pace))
            words = sentences.forecast(named, pace, consequence, steps)
        else:
            continue
        found.append(Forecast(named.name, pace, limit, steps, words))
    return tuple(found)


def _limits(capacities: Capacities) -> dict[Resource, tuple[int, str]]:
    """The limit of each resource that has a known one, and in words what happens when it is reached."""
    limits: dict[Resource, tuple[int, str]] = {}
    if (files := capacities.descriptors) is not None:
        words = f"the limit of {files:,} open files ({capacities.descriptors_are}) is reached"
        limits[Resource.DESCRIPTORS] = files, words
    if (threads := capacities.threads) is not None:
        limits[Resource.THREADS] = threads, f"the limit of {threads:,} threads is reached"
    if (memory := capacities.memory) is not None:
        limits[Resource.MEMORY] = memory, f"the {format_size(memory)} {capacities.memory_is} is used up"
    return limits
