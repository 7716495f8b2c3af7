"""The corpus: honest fixes in many styles are accepted, wrong and dishonest ones are not, each for the right reason.

Each file of tests/fixes/<scenario> says in its first line what must come out: `# right`, `# wrong: work` (the work was
not done), `# wrong: KIND METRIC` (a finding), or `# either: KIND METRIC` (a finding or none: on a slow machine, a
background thread of pymongo has closed cursors before they are many); `, dead=HOW` behind it names how the dead service
is dead. Our own fix, and the partial fixes, of each scenario are judged as a learner's files, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest

from leaklab.content.catalog import Catalog, Entry
from leaklab.content.declaration import PARTIAL_FIXES
from leaklab.content.settings import Settings
from leaklab.lab.pair import run_halves
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState
from leaklab.workshop.checking import judge_file, learners_options

TESTS = Path(__file__).parents[1]
FIXES, SCENARIOS = TESTS / "fixes", TESTS.parent / "scenarios"

TOGETHER = 24
"""Files that are measured in one run of the lab, beside one leaky and one fixed half."""

TOGETHER_WAITING = 12
"""The same, where each waits most of the time, as for a dead service: they do so one after the other."""

WAITING = 5
"""Runs of the lab at once that wait most of the time."""

LEAST = 8
"""Right files, and wrong ones, that every scenario needs."""

OUTCOMES = {"leaks": "wrong", "either": "either"}
"""What must come out of a partial fix, by the verdict that its scenario expects."""

BACKGROUND = (("held", "open_cursors"),)
"""What is found, if anything, where pymongo's background thread decides."""

PATIENT = "abandoned-worker"
"""A scenario whose callers wait at every step."""

SETTINGS: dict[str, dict[str, int | float]] = {
    "huge-array": {"size": 64 * 2**20},
    "unbounded-wait": {"hang": 4.0, "deadline": 1.5},
}
"""What is not as a learner has it: less memory; and a deadline that the living services keep on a busy machine, too."""


@dataclass(frozen=True)
class Case:
    """One file, how the dead service is dead, and what must come out."""

    scenario: str
    file: Path
    outcome: str
    dead: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits most of the time."""
        return self.dead is not None or self.scenario == PATIENT

    @property
    def called(self) -> str:
        return f"our_{self.file.stem}" if self.file.is_relative_to(SCENARIOS) else self.file.stem

    @property
    def key(self) -> str:
        return f"{self.scenario}/{self.called}"

    @property
    def name(self) -> str:
        return self.key + (f" dead={self.dead}" if self.dead else "")

    @cached_property
    def entry(self) -> Entry:
        return Catalog().get(self.scenario)

    @property
    def settings(self) -> Settings:
        return self.entry.scenario.settings.changed(
            self.scenario, {**SETTINGS.get(self.scenario, {}), "dead": self.dead}
        )


def files() -> Iterator[tuple[Entry, Path, str, str]]:
    """Every file, its scenario, what must come out, and how the dead service is dead where that is said."""
    for entry in Catalog().select([]):
        for file in sorted((FIXES / entry.folder.name).glob("*.py")):
            first = file.read_text(encoding="utf-8").partition("\n")[0]
            outcome, _, dead = first.removeprefix("# ").partition(", dead=")
            yield entry, file, outcome, dead
        yield entry, entry.half_path("fixed"), "right", ""
        for half in [half for half in entry.halves if half in PARTIAL_FIXES]:
            expected = entry.scenario.expected[half]
            (kind, metric), *_ = expected.findings or BACKGROUND
            yield entry, entry.half_path(half), f"{OUTCOMES[expected.verdict]}: {kind} {metric}", ""


def cases() -> Iterator[Case]:
    """Every file; a right one of a scenario with a dead service is right however that is dead."""
    for entry, file, outcome, dead in files():
        ways = [setting for setting in entry.scenario.settings.declared if setting.name == "dead"]
        if not ways:
            yield Case(entry.id, file, outcome)
        else:
            for how in ways[0].choices if outcome == "right" else (dead or str(ways[0].default),):
                yield Case(entry.id, file, outcome, how)


CASES = list(cases())

ALL = "LEAKLAB_ALL_FIXES"
"""The environment variable with which all are judged: else every seventh one, and those that are our own."""

JUDGED = [
    case
    for number, case in enumerate(CASES)
    if number % 7 == 0 or case.file.is_relative_to(SCENARIOS) or ALL in os.environ
]


def measure(batch: Sequence[Case]) -> dict[str, CheckResult]:
    """What `check` says of each, the leaky and the fixed half measured once for all."""
    entry, settings = batch[0].entry, batch[0].settings
    files = {case.called: case.file for case in batch}
    halves = {half: entry.half_path(half) for half in ("leaky", "fixed")}
    options = replace(learners_options(), controls=frozenset(halves))
    result = run_halves(entry, {**halves, **files}, settings, options)
    found: dict[str, CheckResult] = {}
    for case in batch:
        its = {"leaky": result.halves["leaky"], "fixed": result.halves["fixed"], YOURS: result.halves[case.called]}
        found[case.name] = judge_file(entry.scenario, case.file, settings, replace(result, halves=its))
    return found


def batches(wanted: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases of one scenario and one way to be dead, some at a time."""
    groups: dict[tuple[str, str | None], list[Case]] = {}
    for case in wanted:
        groups.setdefault((case.scenario, case.dead), []).append(case)
    for group in groups.values():
        together = TOGETHER_WAITING if group[0].waits else TOGETHER
        for first in range(0, len(group), together):
            yield group[first : first + together]


@pytest.fixture(scope="module")
def checked(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[dict[str, CheckResult]]]]:
    """The checks of the selected tests: as many at once as there are processors, and more of those that wait."""
    selected = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(os.cpu_count()) as busy, ThreadPoolExecutor(WAITING) as waiting:
        futures: dict[str, Future[dict[str, CheckResult]]] = {}
        for batch in batches([case for case in JUDGED if case.name in selected]):
            future = (waiting if batch[0].waits else busy).submit(measure, batch)
            futures.update({case.name: future for case in batch})
        yield futures
        busy.shutdown(wait=False, cancel_futures=True)
        waiting.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", JUDGED, ids=lambda case: case.name)
def test_every_fix_is_judged_right_and_for_the_right_reason(
    case: Case, checked: dict[str, Future[dict[str, CheckResult]]]
) -> None:
    found = checked[case.name].result()[case.name]
    assert found.yours is not None
    told_of = [*found.yours.judgement.findings, *([found.finding] if found.finding else [])]
    findings = [f"{finding.kind} {finding.metric}" for finding in told_of]
    told = f"{found.state}: {found.reason} {findings}"
    if case.outcome == "right":
        assert found.state is CheckState.FIXED, told
    elif case.outcome == "wrong: work":
        assert found.state is CheckState.WRONG_WORK, told
    elif case.outcome.startswith("either") and found.state is CheckState.FIXED:
        assert not findings, told
    else:
        assert found.state is CheckState.LEAKS, told
        assert case.outcome.partition(": ")[2] in findings, told


@pytest.mark.parametrize("outcome", ["right", "wrong"])
@pytest.mark.parametrize("scenario", sorted({case.scenario for case in CASES}))
def test_every_scenario_has_enough_of_both(scenario: str, outcome: str) -> None:
    theirs = [case for case in CASES if case.scenario == scenario and case.file.name.startswith(f"{outcome}_")]
    assert len({case.file for case in theirs}) >= LEAST
    assert {case.outcome.split(":")[0] for case in theirs} == {outcome}


@pytest.mark.parametrize("entry", Catalog().select([]), ids=lambda entry: entry.id)
def test_the_exercise_as_it_is_started_is_among_the_wrong_files_of_every_scenario(entry: Entry) -> None:
    outcome, _, source = (FIXES / entry.folder.name / "wrong_unchanged.py").read_text().partition("\n")
    assert source == entry.half_path("leaky").read_text()
    assert outcome in {f"# wrong: {' '.join(finding)}" for finding in entry.scenario.expected["leaky"].findings}
