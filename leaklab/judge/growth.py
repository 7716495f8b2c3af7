"""Tells growth that goes on from growth that comes to rest: a leak keeps its pace, a cache fills up and stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

STEADY_EVENTS = 3
"""Rises needed before growth is called steady: two can be two lazily made things, three at an even pace are a habit."""

SLOWED = 0.5
"""Growth in the second half of the steps below this share of the first half's is slowing down."""

BEGUN = 1 / 3
"""Growth in the first half of the steps below this share of the second half's has only begun: four rises at an even
pace can fall 1 and 3 into the halves, a batch that is not closed yet lies in the second altogether."""

ABOVE_WOBBLE = 2.0
"""Growth that is not this many times what was opened and closed again between readings may be chance."""

AT_REST = 2.0
"""Growth has come to rest when nothing rose for this many times the longest earlier pause between rises."""


class Shape(StrEnum):
    """What a series of readings does over the steps."""

    FLAT = "flat"
    BOUNDED = "bounded"
    STEADY = "steady"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Growth:
    """What a metric's readings do over the steps of a half.

    Attributes:
        shape: flat, bounded (rose, then rested), steady (rises to the end) or unclear.
        total: what was there at the last step above the first reading and stayed, in the metric's unit.
        per_step: `total` per step if the growth is steady or unclear, 0 if it is flat or bounded.
        events: how many readings rose above all that had stayed before.
        steps: the steps covered.
        by_half: what of `total` was there after half of the steps.
        pace: units per step between the first rise and the last; 0 where there are not two.
        one_a_step: whether every reading was above the one before by as many as there were steps between them.
    """

    shape: Shape
    total: float
    per_step: float
    events: int
    steps: int
    by_half: float = 0.0
    pace: float = 0.0
    one_a_step: bool = False

    @classmethod
    def constant(cls, per_step: float) -> Growth:
        """A pace that is known and not judged, such as seconds per step."""
        return cls(shape=Shape.FLAT, total=0.0, per_step=per_step, events=0, steps=0)


def growth_of(points: Sequence[tuple[int, float]], *, least: float = 1) -> Growth:
    """Judge `points`, (steps done, value) in order of steps.

    What counts is what stayed: a value at one step is worth no more than the lowest value after it, so that what
    is opened and closed again between steps is no growth. Rises of the stayed series are the events.

    * no rise of `least` or more: flat.
    * nothing rose for twice the longest earlier pause between rises, or the second half of the steps grew less than
      half as much as the first and the last rise is as long ago as any before, or the second half grew not at all:
      bounded.
    * three or more rises at a pace that holds to the end, well above what comes and goes: steady.
    * anything else (one or two rises, a pace that is falling but has not stopped, growth that began in the second
      half, as of a batch that is not closed yet): unclear, more steps would tell.

    Args:
        points: at least two, the steps not falling.
        least: the smallest rise that counts, in the metric's unit.
    """
    first_step, start = points[0]
    last_step = points[-1][0]
    steps = last_step - first_step
    stayed = _lowest_from_here_on([value for _, value in points])
    total = max(0.0, stayed[-1] - start)
    if total < least or steps <= 0:
        return Growth(Shape.FLAT, total if total >= least else 0.0, 0.0, 0, max(steps, 0))
    # Noisy metrics have a `least` of many units: rises are then counted in tenths of the whole growth.
    quantum = 1.0 if least == 1 else total / 10
    rises = _rises([step for step, _ in points], stayed, start, quantum)
    by_half = _by_half(points, stayed, start)
    wobble = max(value - low for (_, value), low in zip(points, stayed, strict=True))
    shape = _shape(first_step, last_step, rises, by_half, total - by_half)
    if shape is Shape.STEADY and total < ABOVE_WOBBLE * wobble:
        shape = Shape.UNCLEAR
    per_step = total / steps if shape in (Shape.STEADY, Shape.UNCLEAR) else 0.0
    one_a_step = all(value - start == step - first_step for (step, _), value in zip(points, stayed, strict=True))
    return Growth(shape, total, per_step, len(rises), steps, by_half, _pace(points, stayed, rises), one_a_step)


def _lowest_from_here_on(values: Sequence[float]) -> list[float]:
    stayed = list(values)
    for index in range(len(stayed) - 2, -1, -1):
        stayed[index] = min(stayed[index], stayed[index + 1])
    return stayed


def _rises(steps: Sequence[int], stayed: Sequence[float], start: float, quantum: float) -> list[int]:
    rises: list[int] = []
    level = 0
    for step, value in zip(steps, stayed, strict=True):
        reached = int((value - start) / quantum + 1e-9)
        if reached > level:
            rises.append(step)
            level = reached
    return rises


def _pace(points: Sequence[tuple[int, float]], stayed: Sequence[float], rises: Sequence[int]) -> float:
    if len(rises) < 2 or rises[0] == rises[-1]:
        return 0.0
    reached = {step: value for (step, _), value in zip(points, stayed, strict=True)}
    return (reached[rises[-1]] - reached[rises[0]]) / (rises[-1] - rises[0])


def _by_half(points: Sequence[tuple[int, float]], stayed: Sequence[float], start: float) -> float:
    first_step, last_step = points[0][0], points[-1][0]
    middle = first_step + (last_step - first_step) / 2
    reached = (value for (step, _), value in zip(points, stayed, strict=True) if step <= middle)
    return max(0.0, max(reached, default=start) - start)


def _shape(first_step: int, last_step: int, rises: Sequence[int], first_half: float, second_half: float) -> Shape:
    pauses = [later - earlier for earlier, later in zip([first_step, *rises], rises, strict=False)]
    # A rise is seen at the first reading after it: between readings it cannot be placed better than their distance.
    longest_pause = max([*pauses, 1])
    rest = last_step - rises[-1]
    slowed = second_half < SLOWED * first_half
    begun_late = first_half < BEGUN * second_half
    if rest >= AT_REST * longest_pause or (slowed and rest >= longest_pause) or (slowed and second_half == 0):
        return Shape.BOUNDED
    if len(rises) >= STEADY_EVENTS and not slowed and not begun_late and rest < longest_pause:
        return Shape.STEADY
    return Shape.UNCLEAR
