"""Separates steady growth from growth that plateaus: a leak keeps its pace, a cache fills up and stops."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, pairwise

STEADY_EVENTS = 3
"""Fewest rises of steady growth: two can be two lazily created things, three at an even pace are a pattern."""

SLOWED = 0.5
"""Growth is slowing down if the second half of the steps adds less than this share of the first half."""

BEGUN = 1 / 3
"""Growth has only begun if the first half of the steps adds less than this share of the second half: four rises at an
even pace can fall 1 and 3 into the halves, and a batch that is not closed yet falls into the second entirely."""

ABOVE_WOBBLE = 2.0
"""Growth smaller than this many times what was opened and closed between samples may be chance."""

PLATEAU = 2.0
"""Growth has plateaued when nothing rose for this many times the longest earlier pause between rises."""


class Shape(StrEnum):
    """The shape of a series of samples over the steps."""

    FLAT = "flat"
    BOUNDED = "bounded"
    STEADY = "steady"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of a metric over the steps of a half.

    Attributes:
        shape: flat, bounded (rose, then plateaued), steady (rises to the end) or unclear.
        total: lasting growth from the first sample to the last step, in the metric's unit.
        per_step: `total` per step if the growth is steady or unclear, 0 if it is flat or bounded.
        events: how many samples rose above the lasting growth before them.
        steps: the steps covered.
        by_half: how much of `total` was there after half of the steps.
        pace: units per step between the first rise and the last; 0 with fewer than two rises.
        one_a_step: whether the count rose by exactly one at every step.
    """

    shape: Shape
    total: float
    per_step: float
    events: int
    steps: int
    by_half: float = 0.0
    pace: float = 0.0
    one_a_step: bool = False


def growth_of(points: Sequence[tuple[int, float]], *, least: float = 1) -> Growth:
    """The growth of `points`, (steps done, value) in order of steps.

    Only lasting growth counts: each value is capped by the lowest value after it, so what is opened and closed again
    between steps does not count. The rises of this lasting series are the events.

    * no rise of `least` or more: flat.
    * nothing rose for twice the longest earlier pause between rises; or the second half of the steps added less than
      half as much as the first, and the last rise is as long ago as any pause before; or the second half added
      nothing: bounded.
    * three or more rises at a pace that holds to the end, well above what comes and goes: steady.
    * anything else (one or two rises, a falling pace, growth that began in the second half, such as a batch that is
      not closed yet): unclear; more steps would decide.

    Args:
        points: at least two, in ascending order of steps.
        least: the smallest rise that counts, in the metric's unit.
    """
    first_step, start = points[0]
    lasting = lasting_values([value for _, value in points])
    risen = [(step - first_step, value - start) for (step, _), value in zip(points, lasting, strict=True)]
    steps, total = risen[-1]
    if total < least or steps <= 0:
        return Growth(Shape.FLAT, total if total >= least else 0.0, 0.0, 0, max(steps, 0))
    # Noisy metrics have a `least` of many units: their rises are counted in tenths of the total growth.
    rises = _rises(risen, 1.0 if least == 1 else total / 10)
    by_half = max(0.0, *(value for step, value in risen if step <= steps / 2))
    wobble = max(value - low for (_, value), low in zip(points, lasting, strict=True))
    shape = _shape(steps, rises, by_half, total - by_half)
    if shape is Shape.STEADY and total < ABOVE_WOBBLE * wobble:
        shape = Shape.UNCLEAR
    per_step = total / steps if shape in (Shape.STEADY, Shape.UNCLEAR) else 0.0
    level = dict(risen)
    between = rises[-1] - rises[0]
    pace = (level[rises[-1]] - level[rises[0]]) / between if between else 0.0
    one_a_step = all(value == step for step, value in risen)
    return Growth(shape, total, per_step, len(rises), steps, by_half, pace, one_a_step)


def lasting_values(values: Sequence[float]) -> list[float]:
    """Each value, capped by the lowest value after it."""
    return list(accumulate(reversed(values), min))[::-1]


def _rises(risen: Sequence[tuple[int, float]], quantum: float) -> list[int]:
    """The steps at which what has `risen` reached one more `quantum`, or several."""
    rises: list[int] = []
    level = 0
    for step, value in risen:
        reached = int(value / quantum + 1e-9)
        if reached > level:
            rises.append(step)
            level = reached
    return rises


def _shape(steps: int, rises: Sequence[int], first_half: float, second_half: float) -> Shape:
    pauses = [later - earlier for earlier, later in pairwise([0, *rises])]
    # A rise shows in the first sample after it, so it cannot be placed more exactly than the samples are apart.
    longest_pause = max([*pauses, 1])
    rest = steps - rises[-1]
    slowed = second_half < SLOWED * first_half
    begun_late = first_half < BEGUN * second_half
    if rest >= PLATEAU * longest_pause or (slowed and rest >= longest_pause) or (slowed and second_half == 0):
        return Shape.BOUNDED
    if len(rises) >= STEADY_EVENTS and not slowed and not begun_late and rest < longest_pause:
        return Shape.STEADY
    return Shape.UNCLEAR
