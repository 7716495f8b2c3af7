"""What goes on beside a half that is measured: what waits for an answer is followed, what may end is looked at."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from leaklab.measure.measurement import WaitingTargets
from leaklab.measure.run_trace import Phase, Sample
from leaklab.services.client import ServicesBusyError


@dataclass(eq=False)
class Scripted:
    """A measurement that has settled after so many looks, or whose services do not answer."""

    looks: int
    is_busy: bool = False
    looked: int = 0
    advanced: list[bool] = field(default_factory=list)

    @property
    def has_settled(self) -> bool:
        return self.looked >= self.looks

    def look_again(self) -> float:
        if self.is_busy:
            raise ServicesBusyError("too busy")
        self.looked += 1
        return 0.0

    def advance(self, *, wait: bool) -> bool:
        self.advanced.append(wait)
        return False


def beside(*waiting: Any, running: Any = ()) -> WaitingTargets:
    targets = WaitingTargets()
    targets.running = running
    targets.waiting += waiting
    return targets


def sample(phase: Phase) -> Sample:
    return Sample(phase, 0, 0.0, {})


@pytest.mark.parametrize(
    ("phase", "looked"), [(Phase.STEP, 1), (Phase.CLOCK, 1), (Phase.SETTLING, 0), (Phase.COLLECTED, 0)]
)
def test_it_is_looked_at_in_the_pauses_of_another_and_not_at_its_own_looks(phase: Phase, looked: int) -> None:
    may_end, waits = Scripted(looks=9), Scripted(looks=9)
    beside(may_end, running=[waits]).sampled("fixed", sample(phase))
    assert (may_end.looked, waits.advanced) == (looked, [False] * looked), "what waits is never waited for"


def test_what_has_settled_is_looked_at_no_more() -> None:
    soon, later = Scripted(looks=1), Scripted(looks=3)
    targets = beside(soon, later)
    for _ in range(5):
        targets.sampled("fixed", sample(Phase.STEP))
    assert (soon.looked, later.looked, targets.waiting) == (1, 3, [])


def test_some_are_waited_for_and_the_others_are_looked_at_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    first: Any = Scripted(looks=3)
    second: Any = Scripted(looks=5)
    targets = beside(first, second)
    targets.wait(first)
    assert (first.looked, second.looked) == (3, 3)
    targets.wait(second)
    assert second.looked == 5


def test_where_the_services_do_not_answer_it_is_not_waited_for() -> None:
    """Its end is recorded when it is settled."""
    busy: Any = Scripted(looks=9, is_busy=True)
    targets = beside(busy)
    targets.wait(busy)
    assert targets.waiting == []
