"""Any program measured, on a scripted one with a scripted clock: which samples count, and how much work is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from leaklab.explain.explaining import Statement
from leaklab.judge.findings import Verdict
from leaklab.lab import tracing
from leaklab.lab.tracing import ProgramTracer, TracedProgram
from leaklab.measure.counting import ConnectionCounter, Way
from leaklab.measure.load import LoadCommand
from leaklab.measure.tree import TreeReading


@dataclass
class ScriptedProgram:
    """A program of which `counts` says what it has after so many seconds, or loads; it ends at `end_s`."""

    counts: Callable[[float], dict[str, float]]
    end_s: float = inf
    now_s: float = 0.0
    loads: int | None = None
    pid: int = 4711

    def ended(self, within_s: float) -> int | None:
        self.now_s += within_s
        return 0 if self.now_s >= self.end_s else None

    def read(self, *, anew: bool = True) -> TreeReading:  # noqa: ARG002 # as of the probe
        counts = self.counts(self.now_s if self.loads is None else self.loads)
        return TreeReading({**NOTHING, **counts}, running=(self.pid,))

    def run(self) -> None:
        self.loads = -1 if self.loads is None else self.loads
        self.loads += 1


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[ScriptedProgram], ProgramTracer]:
    def made(program: ScriptedProgram) -> ProgramTracer:
        monkeypatch.setattr(tracing, "time", SimpleNamespace(monotonic=lambda: program.now_s))
        made = ProgramTracer(program, ConnectionCounter(Way.NONE, tmp_path / "events", tmp_path))
        made._probe = program  # type: ignore[assignment] # it reads what is scripted
        return made

    return made


NOTHING = {"fds": 3, "sockets": 0, "close_wait": 0, "threads": 1, "children": 0, "zombies": 0, "rss": 2**20}
Tracer = Callable[[ScriptedProgram], ProgramTracer]


def last_fds(traced: TracedProgram) -> float | None:
    return traced.moments[-1].reading.counters["fds"]


@pytest.mark.parametrize("every_s", [0.02, 0.25, 1.0])
@pytest.mark.parametrize("for_s", [None, 20.0])
def test_what_a_program_closes_as_it_ends_is_not_taken_for_what_it_had(
    every_s: float, for_s: float | None, tracer: Tracer
) -> None:
    leaky = ScriptedProgram(lambda at_s: {"fds": 3 if at_s > 19.9 else 3 + int(20 * at_s)}, end_s=19.99)
    traced = tracer(leaky).by_the_clock(every_s, for_s)
    assert traced.judgement.verdict is Verdict.INCONCLUSIVE
    assert (last_fds(traced) or 0) > 300


def test_what_a_program_has_that_goes_on_counts_to_the_last_sample(tracer: Tracer) -> None:
    traced = tracer(ScriptedProgram(lambda at_s: {"fds": int(10 * at_s)})).by_the_clock(0.5, 10.0)
    assert last_fds(traced) == 100


def after_loads(
    tracer: Tracer, per_load: dict[str, float], own: Path | None = None, end_s: float = inf
) -> TracedProgram:
    program = ScriptedProgram(
        lambda done: {name: NOTHING[name] + pace * done for name, pace in per_load.items()}, end_s=end_s
    )
    load = cast("LoadCommand", SimpleNamespace(run=program.run, text="load"))
    traces = tracer(program)
    traces.own = own
    return traces.by_loads(load, load, 50)


def test_a_program_that_ends_with_its_last_load_is_not_said_to_be_clean(tracer: Tracer) -> None:
    assert after_loads(tracer, {}).judgement.verdict is Verdict.CLEAN
    ended = after_loads(tracer, {}, end_s=tracing.AT_REST_S + tracing.ENDING_S).judgement
    assert ended.verdict is Verdict.INCONCLUSIVE
    assert ended.doubts[0].startswith("the program ended (exit code 0)")


def sizes(traced: TracedProgram) -> list[int]:
    return [after.loads - before.loads for before, after in pairwise(traced.moments)]


@pytest.mark.parametrize(
    ("per_load", "expected", "foreseen"), [(1, [50, 200], ""), (1.5, [50, 12, 3], "376"), (0.4, [50, 200, 12], "421")]
)
@pytest.mark.parametrize("what", ["children", "zombies"])
def test_a_leak_of_processes_is_not_driven_to_hundreds_of_them(
    what: str, per_load: float, expected: list[int], foreseen: str, tracer: Tracer
) -> None:
    traced = after_loads(tracer, {what: per_load})
    assert (traced.judgement.verdict, sizes(traced)) == (Verdict.LEAKS, expected)
    assert f"about {foreseen} processes" in traced.fewer if foreseen else not traced.fewer


@pytest.mark.parametrize(
    ("per_load", "verdict", "expected"),
    [
        (60 * 1024, Verdict.CLEAN, [50]),
        (98 * 1024, Verdict.LEAKS, [50, 200, 800]),
        (200 * 1024, Verdict.LEAKS, [50, 200]),
    ],
)
def test_memory_that_grew_by_too_little_to_be_judged_is_judged_after_more_loads(
    per_load: float, verdict: Verdict, expected: list[int], tracer: Tracer
) -> None:
    traced = after_loads(tracer, {"rss": per_load})
    assert (traced.judgement.verdict, sizes(traced)) == (verdict, expected)


@pytest.mark.parametrize(
    ("what", "trouble", "why"),
    [
        ("rss", "", "--explain does not explain memory"),
        ("fds", "the program did not answer", "the program did not answer"),
    ],
)
def test_a_finding_without_evidence_says_why_in_the_words_of_a_trace(
    what: str, trouble: str, why: str, tracer: Tracer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tracing, "ask", lambda *_: Statement(trouble=trouble))
    traced = after_loads(tracer, {what: 2.0**20}, tmp_path)
    assert [one.unexplained for one in traced.judgement.findings] == [why]
