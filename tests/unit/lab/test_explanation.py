"""What a witness is asked for the sake of a finding, and what is made of its words."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from leaklab.explain.evidence import Evidence, KeptBy, ReportedGroup, ReportedLine, groups_of, worth_telling
from leaklab.explain.explaining import Plan, Statement
from leaklab.judge.findings import Finding, Work
from leaklab.lab import explanation
from leaklab.metrics import FindingKind

FOLDER = Path("/home/ann")
MINE = ReportedLine("/home/ann/mine.py", 3, "run")
LIBRARY = ReportedLine("/usr/lib/python3/site-packages/requests/api.py", 73, "get")
MIB = 2**20


def found(kind: FindingKind, metric: str, value: float, *, grows: bool = True, threshold: float = 0) -> Finding:
    return Finding.of(kind, metric, value, threshold, "…", (Work(50, value),) if grows else (), 1.0 if grows else None)


def group(counter: str, count: int, opened: ReportedLine | None = MINE, note: str = "") -> ReportedGroup:
    return ReportedGroup(counter, count, counter, opened, None, None, own=False, became="", note=note)


SOCKETS = found(FindingKind.LEAKED, "open_sockets", 50)


def test_what_is_left_is_looked_at_after_return_and_what_was_held_before_it() -> None:
    findings = [
        SOCKETS,
        found(FindingKind.WASTED, "connections_opened", 50),
        found(FindingKind.HELD, "open_cursors", 40),
        found(FindingKind.STALLED, "threads", 1, grows=False),
        found(FindingKind.STALLED, "elapsed", 3.0, grows=False, threshold=1.0),
    ]
    assert explanation._plan(findings, 0.5) == Plan(
        left={"sockets": 25, "connections": 25, "threads": 0.5}, held={"cursors": 20}, late_s=0.75
    )


@pytest.mark.parametrize(
    ("findings", "steps", "elapsed_s", "expected"),
    [
        ([SOCKETS], 50, 0.1, 50),
        ([SOCKETS], 50, 2.0, 50),
        ([SOCKETS], 1000, 20.0, 100),
        ([SOCKETS], 20, 60.0, 5),
        ([SOCKETS], 3, 60.0, 3),
        ([found(FindingKind.LEAKED, "rss", 40 * MIB)], 1000, 0.1, 100),
        ([found(FindingKind.LEAKED, "rss", 40 * MIB, grows=False)], 1000, 60.0, 1000),
        ([found(FindingKind.STALLED, "elapsed", 60, grows=False)], 0, 60.0, 0),
    ],
)
def test_long_work_and_much_memory_are_explained_by_fewer_steps(
    findings: list[Finding], steps: int, elapsed_s: float, expected: int
) -> None:
    """What does not grow with the work is explained by the same work."""
    assert explanation._steps(findings, steps, elapsed_s) == expected


def test_the_moment_at_which_most_was_there_is_evidence_and_of_equal_ones_the_last_step() -> None:
    end, most = group("sockets", 10), group("sockets", 45)
    held = found(FindingKind.HELD, "open_sockets", 50)
    statement = Statement({"most": [most], "end": [end], "left": [group("sockets", 50)]})
    (evidence,) = explanation.with_evidence(held, statement, FOLDER, 50).evidence
    assert evidence.count == 45
    equal = Statement({"most": [group("sockets", 10, note="no Python object")], "end": [end]})
    assert explanation.with_evidence(held, equal, FOLDER, 50).evidence[0].note == ""


def test_lines_from_which_few_come_are_left_out_and_those_of_libraries_if_there_are_others() -> None:
    few = ReportedLine(MINE.file, 9, "run")
    groups = [group("threads", 50), group("threads", 3, few), group("threads", 40, LIBRARY)]
    assert worth_telling(groups, FOLDER, 50 / 15) == groups[:1]
    assert worth_telling(groups[2:], FOLDER, 50 / 15) == groups[2:]
    library = groups[2].evidence(FOLDER).opened
    assert library is not None
    assert (str(library), library.code) == ("requests/api.py:73 in get()", "")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (Statement({}, trouble="it exited with code 3"), "did not come to that: it exited with code 3"),
        (Statement({}), "it did not happen"),
        (Statement({"left": []}), "no Python object of it was found"),
        (Statement({"left": [group("started", 2)]}), "starts child processes: mine.py:3 in run()"),
    ],
)
def test_without_evidence_there_is_a_reason(statement: Statement, why: str) -> None:
    explained = explanation.with_evidence(SOCKETS, statement, FOLDER, 50)
    assert explained.evidence == ()
    assert why in explained.unexplained


REST = {"what": "", "kept": None, "own": False, "waits": None, "became": "", "note": ""}


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [{"counter": "sockets"}],
        [{"counter": "x", "count": -1, "opened": None, **REST}],
        [{"counter": "x", "count": 10**4000, "opened": None, **REST}],
        [{"counter": "x", "count": 1, "opened": ["f", -1, ""], **REST}],
        [[[[]]]],
    ],
)
def test_what_is_not_a_group_is_none(sent: list[object]) -> None:
    assert groups_of(sent) == []


def test_evidence_of_fewer_steps_says_so_where_it_counts() -> None:
    kept = KeptBy("recent[…]", "global recent of mine.py", "a list of 245 Response")
    evidence = (
        Evidence(245, "socket", None, kept, None, ""),
        Evidence(3, "socket", None, None, None, "no Python object"),
    )
    finding = replace(found(FindingKind.LEAKED, "open_sockets", 3000), evidence=evidence)
    first, second = explanation._of_fewer_steps(finding, 245).evidence
    assert first.kept_by is not None
    assert first.kept_by.through == "a list of 245 Response, after 245 steps"
    assert second == evidence[1]
