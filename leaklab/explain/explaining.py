"""Has a half run once more beside a witness, which says what is open inside it, and why."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.explain.evidence import ReportedGroup, groups_of
from leaklab.measure.measurement import ADDRESS_SLACK
from leaklab.measure.messages import EvidenceGiven, HalfCollected, HalfRaised, HalfReturned
from leaklab.measure.probes import SystemProbe
from leaklab.measure.target import PythonHalf, RunEndedError, TargetEndedError
from leaklab.metrics import RSS
from leaklab.system.interrupts import Owner
from leaklab.system.machine import most_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.services.client import HalfServices, Services
    from leaklab.system.limits import Limits

WITNESS = Path(__file__).with_name("witness.py")

FRAMES = (1, 24)
"""Frames that are kept of each allocation of memory: one is enough for what the half makes by itself, and costs least;
more are kept only if that tells no line of it."""

SLOWER = 5.0
"""How many times as long as its measured run a half may take beside a witness."""

AT_LEAST_S = 5.0
"""Seconds that it may take in any case."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a witness looks at.

    Attributes:
        left: what is to be explained of what is left after return and gc: how much of it, by counter.
        held: the same of what is there before `run` returns.
        late_s: seconds after which a half that does not return is looked at; None if its time is not in question.
    """

    left: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    late_s: float | None = None

    @property
    def moments(self) -> int:
        """How many kinds of moments there are to look at."""
        return bool(self.left) + bool(self.held) + (self.late_s is not None)


@dataclass(slots=True)
class Testimony:
    """What a witness said: by moment, the groups of what was there; and why it could not say more."""

    looks: dict[str, list[ReportedGroup]] = field(default_factory=dict)
    trouble: str = ""

    def of(self, counter: str, moments: tuple[str, ...]) -> list[ReportedGroup]:
        """The groups that a counter counts, of that moment at which there were most; the first of several such."""
        looks = [[group for group in self.looks.get(moment, ()) if group.counter == counter] for moment in moments]
        return max(looks, key=lambda groups: sum(group.count for group in groups), default=[])


def listen(
    path: Path,
    workload: Mapping[str, object],
    plan: Plan,
    within_s: float,
    services: Services,
    its: HalfServices,
    limits: Limits,
    environment: Mapping[str, str],
) -> Testimony:
    """Run the half at `path` beside a witness, for so many seconds at most. Nothing that it does is an error here.

    Raises MeasureError if the services' process is gone.
    """
    for frames in FRAMES:
        found = Testimony()
        told = {"left": plan.left, "held": plan.held, "late": plan.late_s, "ports": sorted(its.ports), "frames": frames}
        with Owner() as owner:
            target = owner.enter_context(PythonHalf(path, services, limits, environment, script=WITNESS, plan=told))
            try:
                target.prepare(workload)
                memory = limits.memory or most_memory()
                has = SystemProbe(target.pid, its.ports).address_space()
                room = limits.address_room or memory + ADDRESS_SLACK
                target.begin(address_space=None if has is None else has + room, file_size=memory)
                _hear(target, plan, time.monotonic() + within_s, found)
            except RunEndedError as error:
                found.trouble = error.ending.words
            except TargetEndedError as error:
                found.trouble = str(error)
        memory_of = [group for groups in found.looks.values() for group in groups if group.counter == RSS.counter]
        if not memory_of or any(group.is_of(path.parent) for group in memory_of):
            break
    return found


def _hear(target: PythonHalf, plan: Plan, until: float, found: Testimony) -> None:
    while (left_s := until - time.monotonic()) > 0:
        match target.next_event(left_s):
            case EvidenceGiven(moment=moment, groups=groups, error=error):
                found.looks[moment] = groups_of(groups)
                found.trouble = error
                if moment == "late" and not plan.left:
                    return  # it need not come to its end
            case HalfReturned() | HalfRaised():
                target.collect()
            case HalfCollected() | None:
                return
