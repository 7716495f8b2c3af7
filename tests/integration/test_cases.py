"""Pairs written from public reports of leaks (tests/cases), each of a kind that was once judged wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from leaklab.content.catalog import Entry
from leaklab.content.declaration import Documents, Lab, Scenario
from leaklab.content.settings import Settings
from leaklab.judge.findings import Verdict
from leaklab.lab.pair import run_halves
from leaklab.lab.result import HalfResult
from leaklab.lab.run_options import RunOptions
from leaklab.measure.run_trace import Outcome
from leaklab.measure.target import Steps
from leaklab.metrics import METRICS, FindingKind
from leaklab.system.limits import Limits

CASES = Path(__file__).parents[1] / "cases"


@dataclass(frozen=True)
class Case(Entry):
    """A pair without a folder of its own scenario.

    Attributes:
        steps: units of work.
        argument: what `run` calls its items.
        item: what they are, a path of the HTTP service; None for numbers.
        services: what it talks to.
        asked: what the services are asked at each step.
        leaks: the findings on the leaky half.
        deadline: seconds within which the caller needs its answer.
        second: steps of the second run, where the lab's own choice takes long; None for that.
        budget: bytes that it may hold until it returns, where that may grow with the work.
    """

    steps: int = field(kw_only=True)
    argument: str = field(kw_only=True)
    item: str | None = field(default=None, kw_only=True)
    services: tuple[str, ...] = field(default=(), kw_only=True)
    asked: str = field(default="", kw_only=True)
    leaks: tuple[tuple[str, str], ...] = field(kw_only=True)
    deadline: float | None = field(default=None, kw_only=True)
    second: int | None = field(default=None, kw_only=True)
    budget: int | None = field(default=None, kw_only=True)

    def workload(self, lab: Lab) -> Mapping[str, object]:
        where = {"mongo_uri": lab.mongo.uri, "database": lab.mongo.database} if "mongo" in self.services else {}
        return {**where, self.argument: Steps(lab.steps, self.item and lab.http.url(self.item))}

    @cached_property
    def scenario(self) -> Scenario:
        return Scenario(
            title=self.id,
            leaks="",
            summary="",
            workload=self.workload,
            expected={},
            telling=(),
            settings=Settings(steps=self.steps, deadline=self.deadline),
            services=self.services,
            documents=(Documents("prices", 60, {"_id": None, "instrument": "instrument {n}"}),),
            requests=lambda settings: {self.asked: settings.steps or 0} if self.asked else {},
            memory_budget=None if self.budget is None else lambda _: self.budget or 0,
            second_steps=None if self.second is None else lambda _: self.second or 1,
        )

    def measured(self, *files: str) -> Mapping[str, HalfResult]:
        paths = {file: self.folder / f"{file}.py" for file in files}
        options = RunOptions(limits=Limits(time_s=3.0 if self.deadline else 60.0))
        return run_halves(self, paths, self.scenario.settings, options).halves


def http(
    name: str,
    steps: int,
    *leaks: tuple[str, str],
    path: str = "/profiles/{n}",
    deadline: float | None = None,
    second: int | None = None,
) -> Case:
    asked = path.split("/")[1].partition("?")[0]
    return Case(
        CASES / name, steps=steps, argument="urls", item=path, services=("http",), asked=asked, leaks=leaks,
        deadline=deadline, second=second,
    )  # fmt: skip


SOCKETS, WASTED = ("leaked", "open_sockets"), ("wasted", "connections_opened")
LATE = Case(CASES / "late_enders", steps=12, argument="jobs", leaks=(("leaked", "threads"),))
BLOCKED = http("blocked_pool", 10, ("stalled", "elapsed"), deadline=1.0)
PAIRS = (
    http("gathered_clients", 50, SOCKETS, WASTED),
    http("broken_stream", 30, SOCKETS, WASTED, path="/endless?topic={n}"),
    Case(
        CASES / "temp_file_left", steps=50, argument="uploads",
        leaks=(("leaked", "files_left"), ("leaked", "bytes_left")),
    ),
    Case(CASES / "unended_tasks", steps=2000, argument="subscribers", leaks=(("leaked", "tasks"),)),
    # Of freed memory, malloc keeps what lies below the last thing that is not free.
    Case(
        CASES / "memory_kept_by_malloc", steps=400, argument="pages", leaks=(("leaked", "rss"),), budget=2**30,
    ),
    # Its threads end by themselves; that each report opens connections of its own is so.
    Case(
        CASES / "dropped_client", steps=20, argument="reports", services=("mongo",), asked="read",
        leaks=(("leaked", "open_cursors"), WASTED),
    ),
    # Each of its steps is a process that imports requests.
    http(
        "child_sockets", 8, SOCKETS, WASTED, ("leaked", "child_processes"), ("leaked", "open_fds"), ("leaked", "rss"),
        second=16,
    ),
)  # fmt: skip


@pytest.mark.parametrize("case", PAIRS, ids=lambda case: case.id)
def test_of_each_pair_the_leaky_half_leaks_so_and_the_fixed_half_is_clean(case: Case) -> None:
    halves = case.measured("leaky", "fixed")
    leaky, fixed = halves["leaky"], halves["fixed"]
    found = {(one.kind.value, one.metric) for one in leaky.judgement.findings}
    assert found == set(case.leaks), leaky.judgement
    assert fixed.judgement.verdict is Verdict.CLEAN, fixed.judgement
    for finding in leaky.judgement.findings:
        if finding.kind is FindingKind.LEAKED and METRICS[finding.metric].unit == "count":
            # The number in the sentence is the number in the table, also where child processes hold the sockets.
            assert finding.value == leaky.rise(finding.metric, "collected"), finding


def test_a_half_that_hangs_has_no_forecast_and_its_line_is_known() -> None:
    halves = BLOCKED.measured("leaky", "fixed")
    leaky = halves["leaky"]
    assert halves["fixed"].judgement.verdict is Verdict.CLEAN
    assert (leaky.outcome, leaky.judgement.findings[0].metric, leaky.forecast) == (Outcome.TIMED_OUT, "elapsed", ())
    assert leaky.ending.place is not None
    assert leaky.ending.place.line == 13


def test_the_verdict_on_a_half_does_not_depend_on_how_long_the_other_half_runs() -> None:
    for beside in ("fixed", "slow"):
        judgement = LATE.measured("leaky", beside)["leaky"].judgement
        assert [(one.kind.value, one.metric) for one in judgement.findings] == [*LATE.leaks]
