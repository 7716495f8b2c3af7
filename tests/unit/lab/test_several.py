"""Several scenarios on the same services: what only waits for a dead service waits beside those before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaklab.content.catalog import Catalog
from leaklab.lab.run_options import RunOptions
from leaklab.lab.several import PlannedRun, ScenarioSeries
from leaklab.measure.measurement import Measurement
from leaklab.measure.run_trace import Sample
from leaklab.measure.sampler import SAMPLED_LESS, TraceListener
from leaklab.services.client import Services
from leaklab.system.interrupts import Owner

CONTENT = Path(__file__).parents[2] / "content"
HANG = 1.3


def planned(name: str, repeat: int = 1) -> PlannedRun:
    entry = Catalog(CONTENT).get(name)
    values = {"hang": HANG} if name == "unbounded-wait" else {}
    settings = entry.scenario.settings.changed(name, values)
    return PlannedRun(entry, settings, RunOptions(repeat=repeat), ("leaky", "fixed"))


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which halves began their work, in order, and how many services there were."""
    seen: list[str] = []
    begin, enter = Measurement.begin, Services.__enter__

    def noted(self: Measurement) -> None:
        is_shown = any(isinstance(one, Progress) for one in self.listeners)
        seen.append(f"{self.half} {'runs' if is_shown or self.sampled_steps == SAMPLED_LESS else 'waits'}")
        begin(self)

    def counted(self: Services) -> Services:
        seen.append("services")
        return enter(self)

    monkeypatch.setattr(Measurement, "begin", noted)
    monkeypatch.setattr(Services, "__enter__", counted)
    return seen


class Progress(TraceListener):
    """That of a scenario whose turn it is: it notes how long each half had run at its samples."""

    def __init__(self) -> None:
        self.at_s: dict[str, list[float]] = {}

    def sampled(self, half: str, sample: Sample) -> None:
        self.at_s.setdefault(half, []).append(sample.at_s)


def run_all(*plan: PlannedRun) -> list[str]:
    """The verdicts, as `half verdict`; all are as expected."""
    with Owner() as owner:
        series = owner.enter_context(ScenarioSeries(plan))
        results = [series.run(number, Progress()) for number in range(len(plan))]
    assert all(result.as_expected for result in results)
    assert results[-1].halves["leaky"].elapsed_s >= HANG * 0.9 or results[-1].scenario != "unbounded-wait"
    return [f"{name} {half.judgement.verdict}" for result in results for name, half in result.halves.items()]


def test_the_half_that_waits_begins_first_and_the_one_that_is_judged_by_its_time_runs_alone(order: list[str]) -> None:
    assert run_all(planned("leaks-files"), planned("unbounded-wait")) == ["leaky leaks", "fixed clean"] * 2
    assert order == ["services", "leaky waits", "leaky runs", "fixed runs", "leaky runs", "fixed runs"]


def test_a_half_that_waited_beside_others_is_shown_from_its_first_sample_on() -> None:
    with Owner() as owner:
        series = owner.enter_context(ScenarioSeries([planned("leaks-files"), planned("unbounded-wait")]))
        series.run(0, Progress())
        progress = Progress()
        series.run(1, progress)
    assert progress.at_s["leaky"][0] == 0
    assert progress.at_s["leaky"] == sorted(progress.at_s["leaky"])
    assert max(progress.at_s["leaky"]) >= HANG * 0.9


def test_what_comes_first_has_nothing_to_wait_beside(order: list[str]) -> None:
    assert run_all(planned("unbounded-wait"), planned("leaks-files")) == ["leaky leaks", "fixed clean"] * 2
    assert order[:4] == ["services", "leaky runs", "fixed runs", "leaky runs"]


def test_what_is_run_several_times_is_run_in_its_turn(order: list[str]) -> None:
    run_all(planned("leaks-files"), planned("unbounded-wait", repeat=2))
    assert "leaky waits" not in order
