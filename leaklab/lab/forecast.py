"""From growth per step to its consequence: after how many steps the process reaches a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from leaklab.judge.findings import Finding, MetricName, Quantity, Words
from leaklab.judge.scaling import SizedRun
from leaklab.metrics import METRICS, FindingKind, Resource
from leaklab.sentences import each_step
from leaklab.units import format_size

CURSOR_TIMEOUT_S = 1800
"""Seconds after which a MongoDB server ends an idle session, and the cursors in it (MongoDB manual,
localLogicalSessionTimeoutMinutes: 30); drivers open a session for each cursor."""

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

    def of(self, resource: Resource) -> tuple[int, str] | None:
        """The limit of a resource, and the words for it after `until`; None if there is no limit."""
        match resource:
            case Resource.DESCRIPTORS if self.descriptors is not None:
                return self.descriptors, f"the limit of {self.descriptors:,} open files ({self.descriptors_are})"
            case Resource.THREADS if self.threads is not None:
                return self.threads, f"the limit of {self.threads:,} threads"
            case Resource.MEMORY if self.memory is not None:
                return self.memory, f"the {format_size(self.memory)} {self.memory_is} is used up"
        return None


class Forecast(Struct, frozen=True, forbid_unknown_fields=True):
    """The step at which a process that goes on like this reaches a limit."""

    metric: MetricName
    per_step: Annotated[float, Meta(gt=0, description="Growth per step, in the metric's unit.")]
    limit: Annotated[Quantity, Meta(description="The limit it reaches, in the metric's unit.")]
    steps: Annotated[int, Meta(ge=0, description="Whole steps until then.")]
    words: Annotated[Words, Meta(description="All of it in a sentence.")]


def forecasts(run: SizedRun, findings: Sequence[Finding], capacities: Capacities) -> tuple[Forecast, ...]:
    """The consequence of what grows with the work in a run, in the order of the resources."""
    found: list[Forecast] = []
    for resource in Resource:
        kinds = {FindingKind.LEAKED} if resource is Resource.CURSORS else {FindingKind.LEAKED, FindingKind.HELD}
        grown = [(METRICS[one.metric], one.per_step) for one in findings if one.kind in kinds and one.per_step]
        growing = [(metric, pace) for metric, pace in grown if metric.resource is resource]
        if not growing:
            continue
        # Sockets are file descriptors: both use up the limit. The reader knows the larger part by its name.
        metric, pace = max(growing, key=lambda each: each[1])[0], sum(pace for _, pace in growing)
        if resource is Resource.CURSORS:
            steps = CURSOR_RATE * CURSOR_TIMEOUT_S
            limit: float = int(pace * steps)
            closed = f"a MongoDB server closes a driver's cursors after {CURSOR_TIMEOUT_S // 60} idle minutes"
            words = (
                f"at {each_step(metric, pace)}, if it makes {CURSOR_RATE} steps a second, {limit:,} stay open: {closed}"
            )
        elif (capacity := capacities.of(resource)) is not None:
            counted = run.summary.get(metric.part_of or metric.name)
            start, reached = (counted.baseline or 0.0, counted.peak) if counted else (0.0, 0.0)
            if len(growing) > 1:
                # The sockets of child processes are none of its own descriptors.
                pace = min(pace, (reached - start) / run.steps)
            limit = capacity[0] + (start if resource is Resource.MEMORY else 0)
            # From the last step on: what `run` opens before its first step does not come again.
            steps = max(0, run.steps + int((limit - reached) / pace))
            words = f"about {steps:,} steps until {capacity[1]}"
        else:
            continue
        found.append(Forecast(metric.name, pace, limit, steps, words))
    return tuple(found)
