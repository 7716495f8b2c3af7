"""Any program measured, on a scripted one with a scripted clock: which samples count, and how much work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from leaklab.judge.findings import Verdict
from leaklab.lab import tracing
from leaklab.lab.tracing import ProgramTracer, TracedProgram
from leaklab.measure.counting import ConnectionCounter, Way
from leaklab.measure.tree import TreeReading


@dataclass
class ScriptedProgram:
    """A program of which `fds` says how many it has at a second; it ends at `end_s`."""

    fds: Callable[[float], int]
    end_s: float
    now_s: float = 0.0
    pid: int = 4711

    def ended(self, within_s: float) -> int | None:
        self.now_s += within_s
        return 0 if self.now_s >= self.end_s else None

    def read(self, *, anew: bool = True) -> TreeReading:  # noqa: ARG002 # as of the probe
        counts = {"fds": self.fds(self.now_s), "threads": 1, "children": 0, "zombies": 0, "rss": 2**20}
        return TreeReading({"sockets": 0, "close_wait": 0, **counts}, running=(self.pid,))


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[ScriptedProgram], ProgramTracer]:
    def made(program: ScriptedProgram) -> ProgramTracer:
        monkeypatch.setattr(tracing, "time", SimpleNamespace(monotonic=lambda: program.now_s))
        made = ProgramTracer(program, ConnectionCounter(Way.NONE, tmp_path / "events", tmp_path))
        made._probe = program  # type: ignore[assignment] # it reads what is scripted
        return made

    return made


Tracer = Callable[[ScriptedProgram], ProgramTracer]


def last_fds(traced: TracedProgram) -> float | None:
    return traced.moments[-1].reading.counters["fds"]


@pytest.mark.parametrize("every_s", [0.02, 0.25, 1.0])
@pytest.mark.parametrize("for_s", [None, 20.0])
def test_what_a_program_closes_as_it_ends_is_not_taken_for_what_it_had(
    every_s: float, for_s: float | None, tracer: Tracer
) -> None:
    leaky = ScriptedProgram(lambda at_s: 3 if at_s > 19.9 else 3 + int(20 * at_s), end_s=20.0 - 0.01)
    traced = tracer(leaky).by_the_clock(every_s, for_s)
    assert traced.judgement.verdict is Verdict.INCONCLUSIVE
    assert (last_fds(traced) or 0) > 300


def test_what_a_program_has_that_goes_on_counts_to_the_last_sample(tracer: Tracer) -> None:
    traced = tracer(ScriptedProgram(lambda at_s: int(10 * at_s), end_s=100.0)).by_the_clock(0.5, 10.0)
    assert last_fds(traced) == 100
