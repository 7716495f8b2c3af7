"""The report of a trace, on scripted programs. What it says is in tests/golden/traced.txt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leaklab.judge.findings import Finding, Judgement, Verdict
from leaklab.lab.tracing import TracedProgram
from leaklab.measure.counting import Way
from leaklab.metrics import METRICS, FindingKind
from leaklab.reports.document import trace_document
from leaklab.reports.traced import trace_report
from leaklab.sentences import LOADS, leaked, wasted
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections

SIZES = [(50, 50.0), (200, 200.0)]
LEAKED = Finding.of(FindingKind.LEAKED, "open_sockets", 50, 0, leaked(METRICS["open_sockets"], SIZES, 1.0, 0.5, LOADS))
WASTED = Finding.of(
    FindingKind.WASTED, "connections_opened", 50, 0, wasted(METRICS["connections_opened"], SIZES, [0, 0], LOADS)
)


def closing(program: TracedProgram) -> TracedProgram:
    *others, last = program.moments
    ends: dict[tuple[str, str], int] = {("to 127.0.0.1:9001", "CLOSE_WAIT"): 250}
    ends |= {(f"from clients to :{port}", "ESTABLISHED"): 1 for port in range(8000, 8003)}
    reading = replace(last.reading, ends=ends, unread=(12,))
    return replace(program, moments=(*others, replace(last, reading=reading)))


LEAKY = scripted.traced(findings=[LEAKED, WASTED])
DOUBT = Judgement(Verdict.INCONCLUSIVE, doubts=("191 file descriptors more in 4.00 s", "a leak only if …"))
PROGRAMS = {
    "leaks": LEAKY,
    "clean": scripted.traced(),
    "hung up": closing(LEAKY),
    "unknown connections": scripted.traced(
        moments=tuple(scripted.moment(loads, connections=None) for loads in (0, 50)),
        why_unknown="app was built by Go, which does without libc",
        way=Way.PRELOAD,
    ),
    "by the clock": scripted.traced(
        load=None, judgement=DOUBT, way=Way.NONE, why_unknown="it was running already", command=(),
        moments=(scripted.moment(0, 0.0, connections=None), scripted.moment(0, 4.0, connections=None, sockets=191)),
    ),
    "interrupted, with a long command": replace(
        LEAKY, interrupted=True, retried_s=2.5, command=("/usr/bin/python3", "-c", "import this; " * 9)
    ),
}  # fmt: skip


def test_what_a_trace_says() -> None:
    assert_golden("traced", sections(**{name: rendered(trace_report(one)) for name, one in PROGRAMS.items()}))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_trace_fits_a_terminal_of_80_by_24(name: str) -> None:
    lines = rendered(trace_report(PROGRAMS[name])).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_what_a_trace_is_as_a_document() -> None:
    document: dict[str, Any] = trace_document(PROGRAMS["unknown connections"])
    assert (document["verdict"], document["counted_by"], document["exit_code"]) == ("clean", "preload", None)
    last = document["moments"][-1]
    assert (last["loads"], last["metrics"]["open_fds"], last["metrics"]["connections_opened"]) == (50, 4, None)
    leaky = trace_document(LEAKY)["moments"][-1]
    assert list(leaky["connections"]) == [{"end": "to 127.0.0.1:9001", "state": "ESTABLISHED", "count": 250}]
