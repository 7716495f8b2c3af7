"""Has a half run once more beside a witness, which says what is open inside it, and why."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from leaklab.explain.evidence import ReportedGroup, groups_of
from leaklab.explain.inside_go import groups_in_go
from leaklab.measure.measurement import ADDRESS_SLACK
from leaklab.measure.messages import EvidenceGiven, HalfCollected, HalfUnloadable
from leaklab.measure.runtime import PYTHON_RUNTIME, Runtime, python_runtime
from leaklab.measure.target import Half, TargetEndedError
from leaklab.system.machine import most_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.services.client import HalfServices, Services
    from leaklab.system.limits import Limits

WITNESS = python_runtime(Path(__file__).with_name("witness.py"))
"""The witness of a half in Python; of one in Go, its own worker is one."""

GO_DEBUG = {"GODEBUG": "tracebackancestors=20"}
"""Has Go say of each goroutine which calls started it, and those that started that one (package runtime,
"Environment Variables")."""

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


class Witnessed(AbstractContextManager["Witnessed", None]):
    """A half that runs beside a witness, from when it is entered, which an Owner does; it has ended when it is left.

    Entering it does not wait: meanwhile another half can be measured. Nothing that the half does is an error here.

    Args:
        path: the half's file.
        workload: the arguments of its `run`.
        plan: what the witness looks at.
        its: the half's own services.
        runtime: what runs the half when it is measured.
    """

    def __init__(
        self,
        path: Path,
        workload: Mapping[str, object],
        plan: Plan,
        services: Services,
        its: HalfServices,
        limits: Limits,
        environment: Mapping[str, str],
        runtime: Runtime = PYTHON_RUNTIME,
    ) -> None:
        self._plan = plan
        self._workload = workload
        told = {"left": plan.left, "held": plan.held, "late": plan.late_s, "ports": sorted(its.ports)}
        witness = WITNESS if runtime is PYTHON_RUNTIME else replace(runtime, environment=GO_DEBUG)
        self._half = Half(path, services, limits, environment, witness, plan=told)

    def __enter__(self) -> Self:
        self._half.__enter__()
        memory = self._half.limits.memory or most_memory()
        with contextlib.suppress(TargetEndedError):  # what has ended by now is heard later
            self._half.run_through(self._workload, address_space=memory + ADDRESS_SLACK, file_size=memory)
        return self

    def __exit__(self, *_: object) -> None:
        self._half.end()

    def _groups(self, event: EvidenceGiven) -> list[ReportedGroup]:
        if self._half.runtime is WITNESS:
            return groups_of(event.groups)
        return groups_in_go(event.stacks, event.heap or [], self._half.path.parent)

    def statement(self, within_s: float) -> Statement:
        """What the witness says; it is waited for so many seconds. Raises MeasureError if the services are gone."""
        found = Statement()
        until = time.monotonic() + within_s
        try:
            while (left_s := until - time.monotonic()) > 0 and (event := self._half.next_event(left_s)) is not None:
                match event:
                    case EvidenceGiven(moment=moment, cpu=cpu_s, error=error):
                        found.looks[moment] = self._groups(event)
                        found.cpu_s, found.trouble = cpu_s, error
                        if moment == "late" and not self._plan.left:
                            return found  # it need not come to its end
                    case HalfUnloadable(error=error):
                        found.trouble = f"it cannot be imported: {error}"
                        return found
                    case HalfCollected():
                        return found
            found.trouble = found.trouble or "it had not come to its end in time"
        except TargetEndedError as error:
            found.trouble = str(error)
        return found
