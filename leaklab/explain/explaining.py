"""Has a half run once more beside a witness, which says what is open inside it, and why."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.explain.evidence import ReportedGroup, groups_of
from leaklab.measure.measurement import begin_within
from leaklab.measure.messages import EvidenceGiven, HalfCollected, HalfRaised, HalfReturned
from leaklab.measure.probes import SystemProbe
from leaklab.measure.target import PythonHalf, RunEndedError, TargetEndedError
from leaklab.system.interrupts import Owner
from leaklab.system.machine import most_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.services.client import HalfServices, Services
    from leaklab.system.limits import Limits

WITNESS = Path(__file__).with_name("witness.py")

SLOWER = 5.0
"""How many times as long as its measured run a half may take beside a witness."""

AT_LEAST_S = 10.0
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


@dataclass(slots=True)
class Statement:
    """What a witness said: by moment, the groups of what was there; and why it could not say more.

    `cpu_s` are the seconds of CPU time that its last look took.
    """

    looks: dict[str, list[ReportedGroup]] = field(default_factory=dict)
    cpu_s: float = 0.0
    trouble: str = ""

    def of(self, counter: str, moments: tuple[str, ...]) -> list[ReportedGroup]:
        """The groups that a counter counts, of that moment at which there were most; the first of several such."""
        looks = [[group for group in self.looks.get(moment, ()) if group.counter == counter] for moment in moments]
        return max(looks, key=lambda groups: sum(group.count for group in groups), default=[])


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A half that is run beside a witness: its file, its limits, what its environment has besides, and how long."""

    path: Path
    limits: Limits
    environment: Mapping[str, str]
    within_s: float

    def listen(self, workload: Mapping[str, object], plan: Plan, services: Services, its: HalfServices) -> Statement:
        """What the witness says. Nothing that the half does is an error here.

        Raises MeasureError if the services' process is gone.
        """
        found = Statement()
        told = {"left": plan.left, "held": plan.held, "late": plan.late_s, "ports": sorted(its.ports)}
        half = PythonHalf(self.path, services, self.limits, self.environment, script=WITNESS, plan=told)
        with Owner() as owner:
            target = owner.enter_context(half)
            try:
                target.prepare(workload)
                memory = self.limits.memory or most_memory()
                begin_within(self.limits, memory, target, SystemProbe(target.pid, its.ports))
                _hear(target, plan, time.monotonic() + self.within_s, found)
            except RunEndedError as error:
                found.trouble = error.ending.words
            except TargetEndedError as error:
                found.trouble = str(error)
        return found


def _hear(target: PythonHalf, plan: Plan, until: float, found: Statement) -> None:
    while (left_s := until - time.monotonic()) > 0:
        match target.next_event(left_s):
            case EvidenceGiven(moment=moment, groups=groups, cpu=cpu_s, error=error):
                found.looks[moment] = groups_of(groups)
                found.cpu_s, found.trouble = cpu_s, error
                if moment == "late" and not plan.left:
                    return  # it need not come to its end
            case HalfReturned() | HalfRaised():
                target.collect()
            case HalfCollected():
                return
            case None:
                break
    found.trouble = found.trouble or "it had not come to its end in time"
