"""The last sample of all: it is taken once nothing can change any more."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from leaklab.measure.measurement import HalfRun
from leaklab.measure.probes import Probe, Reading
from leaklab.measure.trace import Phase, Sample
from leaklab.services.client import ServiceCounts, Services


class Ending:
    """A probe of a process whose background thread ends between the first reading and the question whether it can."""

    def __init__(self) -> None:
        self.threads = 2.0

    def read(self, *, sockets: bool, fresh: bool = True, children: bool = False) -> Reading:  # noqa: ARG002 # the signature of a probe
        return Reading({"threads": self.threads}, ServiceCounts({}, {}, {}))

    def may_change(self) -> bool:
        """The thread has just ended: nothing can change any more."""
        self.threads = 1.0
        return False


def test_what_ended_while_it_was_looked_at_is_not_told_as_left_over() -> None:
    """The first reading still had the thread; that nothing can change any more is only true of a later reading."""
    run = HalfRun("fixed", Path("fixed.py"), cast("Services", None))
    run._probe = cast("Probe", Ending())
    run._samples.append(Sample(Phase.BASELINE, 0, 0.0, {"threads": 1.0}))
    run._collected = 0.0
    run._look()
    assert run.settled
    last = run._samples[-1]
    assert (last.phase, last.get("threads")) == (Phase.COLLECTED, 1.0)
