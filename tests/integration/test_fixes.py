"""The corpus: honest fixes in many styles are accepted, wrong and dishonest ones are not, each for the right reason.

Each file of tests/fixes/<scenario> says in its first line what must come out: `# right`, `# wrong: work` (the work was
not done), or `# wrong: KIND METRIC` (a finding); `, --dead HOW` behind it names how the dead service is dead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from leaklab.catalog import Catalog, Entry
from leaklab.check import check, judged, learners_options
from leaklab.checked import YOURS, Check, State
from leaklab.lab import run_halves
from leaklab.scenario import DEAD, Settings

FIXES = Path(__file__).parents[1] / "fixes"

AT_ONCE = 8
"""Files that are measured in one run of the lab, beside one leaky and one fixed half."""

LEAST = 8
"""Right files, and wrong ones, that every scenario needs."""

SETTINGS: dict[str, dict[str, int | float]] = {
    "huge-array": {"size": 64 * 2**20},
    "unbounded-wait": {"hang": 4.0, "deadline": 1.5},
}
"""What is not as a learner has it: less memory; and a deadline that the living services keep on a busy machine, too."""

MISJUDGED = {
    "huge-array/wrong_jobs_first": "undecidable: honest lazy code has its buffer after the last item was taken, too",
}
"""Files that leaklab does not judge as it should yet, and why."""

@dataclass(frozen=True)
class Case:
    """One file, how the dead service is dead, and what must come out."""

    scenario: str
    file: Path
    outcome: str
    dead: str | None = None

    @property
    def key(self) -> str:
        return f"{self.scenario}/{self.file.stem}"

    @property
    def name(self) -> str:
        return self.key + (f" --dead {self.dead}" if self.dead else "")

    @cached_property
    def entry(self) -> Entry:
        return Catalog().get(self.scenario)

    @property
    def settings(self) -> Settings:
        return self.entry.scenario.settings.changed(
            self.scenario, {**SETTINGS.get(self.scenario, {}), "dead": self.dead}
        )


def cases() -> Iterator[Case]:
    """Every file; a right one of a scenario with a dead service is right however that is dead."""
    for file in sorted(FIXES.glob("*/*.py")):
        scenario = file.parent.name.replace("_", "-")
        outcome, _, dead = file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(", --dead ")
        if Catalog().get(scenario).scenario.settings.dead is None:
            yield Case(scenario, file, outcome)
        else:
            for how in DEAD if outcome == "right" else (dead or "silent",):
                yield Case(scenario, file, outcome, how)


CASES = list(cases())


def measure(batch: Sequence[Case]) -> dict[str, Check]:
    """What `check` says of each, the leaky and the fixed half measured once for all."""
    entry, settings = batch[0].entry, batch[0].settings
    files = {case.file.stem: case.file for case in batch}
    halves = {half: entry.half_path(half) for half in ("leaky", "fixed")}
    result = run_halves(entry, {**halves, **files}, settings, learners_options())
    found: dict[str, Check] = {}
    for case in batch:
        its = {"leaky": result.halves["leaky"], "fixed": result.halves["fixed"], YOURS: result.halves[case.file.stem]}
        said = judged(entry.scenario, case.file, settings, replace(result, halves=its))
        # Where one look does not decide, `check` takes two: it is asked itself.
        found[case.name] = check(entry, case.file, None, settings) if said.state is State.UNDECIDED else said
    return found


def batches(wanted: Sequence[Case]) -> Iterator[list[Case]]:
    """Cases of one scenario and one way to be dead, some at a time."""
    groups: dict[tuple[str, str | None], list[Case]] = {}
    for case in wanted:
        groups.setdefault((case.scenario, case.dead), []).append(case)
    for group in groups.values():
        for first in range(0, len(group), AT_ONCE):
            yield group[first : first + AT_ONCE]


@pytest.fixture(scope="module")
def checked(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[dict[str, Check]]]]:
    """The checks of the selected tests: some at once, as most of them wait."""
    selected = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(3) as pool:
        futures: dict[str, Future[dict[str, Check]]] = {}
        for batch in batches([case for case in CASES if case.name in selected]):
            future = pool.submit(measure, batch)
            futures.update({case.name: future for case in batch})
        yield futures
        pool.shutdown(cancel_futures=True)


def marked(case: Case) -> ParameterSet:
    marks = []
    if reason := MISJUDGED.get(case.key):
        marks.append(pytest.mark.xfail(reason=reason, strict=True))
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_every_fix_is_judged_right_and_for_the_right_reason(
    case: Case, checked: dict[str, Future[dict[str, Check]]]
) -> None:
    found = checked[case.name].result()[case.name]
    assert found.yours is not None
    findings = [f"{finding.kind} {finding.metric}" for finding in found.yours.judgement.findings]
    told = f"{found.state}: {found.reason} {findings}"
    if case.outcome == "right":
        assert found.state is State.FIXED, told
    elif case.outcome == "wrong: work":
        assert found.state is State.WRONG_WORK, told
    else:
        assert found.state is State.LEAKS, told
        assert case.outcome.removeprefix("wrong: ") in findings, told


@pytest.mark.parametrize("outcome", ["right", "wrong"])
@pytest.mark.parametrize("scenario", sorted({case.scenario for case in CASES}))
def test_every_scenario_has_enough_of_both(scenario: str, outcome: str) -> None:
    files = {case.file for case in CASES if case.scenario == scenario and case.file.name.startswith(f"{outcome}_")}
    assert len(files) >= LEAST
    assert all(case.outcome.split(":")[0] == outcome for case in CASES if case.file in files)


def test_every_built_in_scenario_has_a_corpus() -> None:
    assert {case.scenario for case in CASES} == {entry.id for entry in Catalog().local}
