"""What counts as an answer: also an error that the scenario accepts, by whatever class it is derived from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaklab.content.catalog import Catalog
from leaklab.lab.complaints import as_answer
from leaklab.lab.reruns import could_be_noise
from leaklab.measure.run_trace import Ending, Outcome, Raised, Trace
from tests.unit import scripted

LATE = ("ServiceLate", "TimeoutError", "OSError", "Exception")


def raised(kinds: tuple[str, ...], message: str) -> Trace:
    """A run that raised this error after 0.8 s."""
    error = Raised(kinds, message)
    ending = Ending(Outcome.CRASHED, f"it raised {error}", None, error)
    return replace(scripted.trace("yours", lambda _: 0), ending=ending, elapsed_s=0.8, cpu_s=0.0, cpu_wait_s=0.0)


@pytest.mark.parametrize(
    ("kinds", "message", "outcome"),
    [
        (LATE, "stock did not answer in time", Outcome.COMPLETED),
        (LATE, "somebody did not answer in time", Outcome.CRASHED),
        (("ValueError", "Exception"), "stock did not answer in time", Outcome.CRASHED),
    ],
)
def test_an_error_is_an_answer_where_the_scenario_says_so(
    kinds: tuple[str, ...], message: str, outcome: Outcome
) -> None:
    scenario, trace = Catalog().get("unbounded-wait").scenario, raised(kinds, message)
    assert as_answer(scenario, scenario.settings, trace).outcome is outcome
    none_is = replace(scenario, check_error=None)
    assert as_answer(none_is, scenario.settings, trace).outcome is Outcome.CRASHED


def test_an_answer_that_is_an_error_and_came_late_may_be_the_machines_fault_too() -> None:
    """Then it is measured again, as any other that came late."""
    scenario, trace = Catalog().get("unbounded-wait").scenario, raised(LATE, "stock is late")
    assert not could_be_noise(trace, 0.5, 3.0)
    assert could_be_noise(as_answer(scenario, scenario.settings, trace), 0.5, 3.0)


def test_what_could_not_be_imported_has_not_answered() -> None:
    scenario = Catalog().get("unbounded-wait").scenario
    trace = replace(raised(LATE, "stock is late"), samples=())
    assert as_answer(scenario, scenario.settings, trace).outcome is Outcome.CRASHED
