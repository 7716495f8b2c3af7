"""What a session keeps of one check for the next, with scripted checks."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from leaklab.content.catalog import Catalog, Entry
from leaklab.content.settings import Settings
from leaklab.errors import MeasureError
from leaklab.lab.result import HalfResult, Result
from leaklab.lab.run_options import RunOptions
from leaklab.system.limits import Limits
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState
from leaklab.workshop.session import Session
from tests.unit import scripted

FILE = Path("/exercises/mine.py")


@dataclass
class Checks:
    """Scripted checks: which halves each had to measure; the result of those halves; how many services were started."""

    measured: list[set[str]] = field(default_factory=list)
    leaky: HalfResult = field(default_factory=scripted.leaky)
    error: MeasureError | None = None
    interrupted: bool = False
    choice: str = ""
    is_running: bool = True
    services: int = 0
    ended: int = 0

    def check(
        self,
        entry: Entry,
        file: Path,
        options: RunOptions,
        settings: Settings,
        controls: Mapping[str, HalfResult] | None,
    ) -> CheckResult:
        if self.error is not None:
            raise self.error
        assert not options.explain
        self.measured.append({"leaky", "fixed"} - set(controls or ()))
        halves = controls or {"leaky": self.leaky, "fixed": scripted.fixed()}
        mine = replace(scripted.fixed(), half=YOURS)
        measured = scripted.result(*halves.values(), mine, settings=settings)
        result: Result = replace(measured, interrupted=self.interrupted)
        state = CheckState.LEAKS if self.choice else CheckState.FIXED
        return CheckResult(scenario=entry.id, file=file, state=state, result=result, choice=self.choice)

    @contextlib.contextmanager
    def run_services(self) -> Iterator[object]:
        self.services += 1
        yield self
        self.ended += 1


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    scripted_checks = Checks()
    monkeypatch.setattr("leaklab.workshop.session.check", scripted_checks.check)
    monkeypatch.setattr("leaklab.lab.ahead.Services", scripted_checks.run_services)
    return scripted_checks


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """A copy of a scenario, which can be changed."""
    built_in = Catalog().get("unclosed-body")
    return Entry(Path(shutil.copytree(built_in.folder, tmp_path / built_in.folder.name)))


BOTH = {"leaky", "fixed"}


def test_the_halves_with_known_verdicts_are_measured_once_and_the_services_started_once(
    checks: Checks, entry: Entry
) -> None:
    with Session() as session:
        found = [session.check(entry, FILE, RunOptions(), entry.scenario.settings) for _ in range(3)]
    assert checks.measured == [BOTH, set(), set()]
    assert [one.controls_at is not None for one in found] == [False, True, True]
    assert (checks.services, checks.ended) == (1, 1)


def test_they_are_measured_again_where_something_they_depend_on_is_another(checks: Checks, entry: Entry) -> None:
    settings = entry.scenario.settings
    with Session() as session:

        def check(options: RunOptions, settings: Settings) -> None:
            session.check(entry, FILE, options, settings)
            session.check(entry, FILE, options, settings)

        check(RunOptions(), settings)
        check(RunOptions(limits=Limits(time_s=3)), settings)
        check(RunOptions(), settings.with_steps(7))
        entry.half_path("fixed").write_text("def run(urls): pass")
        check(RunOptions(), settings.with_steps(7))
        session.forget()
        check(RunOptions(), settings.with_steps(7))
    assert checks.measured == [BOTH, set()] * 5


def test_they_are_not_kept_if_they_came_out_wrong_or_were_interrupted(checks: Checks, entry: Entry) -> None:
    with Session() as session:
        checks.leaky = replace(scripted.fixed(), half="leaky")
        session.check(entry, FILE, RunOptions(), entry.scenario.settings)
        checks.leaky, checks.interrupted = scripted.leaky(), True
        session.check(entry, FILE, RunOptions(), entry.scenario.settings)
        checks.interrupted = False
        session.check(entry, FILE, RunOptions(), entry.scenario.settings)
    assert checks.measured == [BOTH, BOTH, BOTH]


def test_those_with_another_choice_of_a_setting_are_not_kept(checks: Checks, entry: Entry) -> None:
    with Session() as session:
        for checks.choice in ("dead=silent", "", "dead=silent", ""):
            found = session.check(entry, FILE, RunOptions(), entry.scenario.settings)
            assert found.controls_at is None or not checks.choice
    assert checks.measured == [BOTH, BOTH, set(), set()]


def test_where_a_deadline_is_judged_they_are_measured_each_time(checks: Checks) -> None:
    waits = Catalog().get("unbounded-wait")
    with Session() as session:
        for _ in range(2):
            session.check(waits, FILE, RunOptions(), waits.scenario.settings)
    assert checks.measured == [BOTH, BOTH]


def test_after_an_error_of_the_measurement_the_next_check_has_new_services(checks: Checks, entry: Entry) -> None:
    with Session() as session:
        checks.error = MeasureError("the services' process ended unexpectedly")
        with pytest.raises(MeasureError):
            session.check(entry, FILE, RunOptions(), entry.scenario.settings)
        assert checks.ended == 1
        checks.error = None
        session.check(entry, FILE, RunOptions(), entry.scenario.settings)
    assert (checks.services, checks.ended) == (2, 2)


def test_services_that_were_ended_meanwhile_are_started_again(checks: Checks, entry: Entry) -> None:
    with Session() as session:
        for checks.is_running in (True, False, True):
            session.check(entry, FILE, RunOptions(), entry.scenario.settings)
    assert (checks.services, checks.ended) == (2, 2)
