"""The result of running the halves: medians over runs, surprises, and work that was skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaklab.content.declaration import ALL_HALVES, LEAKS_NOTHING, Expected
from leaklab.judge.findings import Verdict
from leaklab.judge.scaling import Thresholds
from leaklab.lab.result import HalfResult, MeasuredRun, half_label, half_result, half_surprises
from leaklab.measure.run_trace import Ending, Outcome, Trace
from tests.unit import scripted
from tests.unit.golden import assert_golden, sections

LEAKS = Expected("leaks", (("leaked", "open_fds"),))
HANGS = Expected("leaks", (("stalled", "elapsed"),))


def trace(each: int = 0, error: str | None = None, outcome: Outcome = Outcome.CRASHED, **more: float) -> Trace:
    """A half that leaks so many descriptors per step."""
    it = scripted.Half(5, **more).counts("open_fds", lambda done: 4 + each * done, before=4).trace()  # type: ignore[arg-type] # a time
    return it if error is None else replace(it, ending=Ending(outcome, error))


HUNG = trace(error="too long", outcome=Outcome.TIMED_OUT)
UNREAD = scripted.Half(5).counts("open_fds", lambda _: None, before=None).trace()


def half(*traces: Trace, complaint: str | None = None, deadline_s: float | None = None) -> HalfResult:
    return half_result(
        "leaky", [MeasuredRun(one, complaint, 5, known=LEAKS.findings) for one in traces], Thresholds(deadline_s)
    )


# ---- surprises


def test_surprises_are_what_differs_from_the_expectation() -> None:
    other = Expected("leaks", (("held", "open_fds"), ("leaked", "open_sockets")))
    cases = {
        "a leaky half that is clean": (half(trace()), LEAKS, 1),
        "a fixed half that leaks": (half(trace(1)), LEAKS_NOTHING, 1),
        "another kind or metric": (half(trace(1)), other, 2),
        "a crash": (half(trace(error="it exited with code 3")), LEAKS_NOTHING, 2),
        "a timeout with nothing expected": (half(trace(error="too long", outcome=Outcome.TIMED_OUT)), None, 1),
        "an expected hang": (half(HUNG, HUNG, deadline_s=0.01), HANGS, 0),
        "a hang in one of two runs": (half(HUNG, trace(), deadline_s=0.01), HANGS, 0),
        "a crash instead of a hang": (half(trace(error="it raised"), deadline_s=0.01), HANGS, 1),
        "skipped work": (half(trace(), complaint="no sums"), LEAKS_NOTHING, 2),
        "skipped work with nothing expected": (half(trace(), complaint="no sums"), None, 1),
        "one finding more": (half(trace(1)), Expected("leaks"), 0),
        "either verdict": (half(trace(1)), Expected("either"), 0),
        "as expected": (half(trace(1)), LEAKS, 0),
        "nothing expected": (half(trace(1)), None, 0),
    }
    found = {name: half_surprises(measured, expected) for name, (measured, expected, _) in cases.items()}
    assert {name: len(words) for name, words in found.items()} == {name: count for name, (*_, count) in cases.items()}
    assert_golden("surprises", sections(**{name: "\n".join(words) for name, words in found.items() if words}))


def test_a_result_names_the_half_of_each_surprise() -> None:
    good = scripted.result()
    assert (good.surprises, good.as_expected) == ([], True)
    bad = scripted.result(scripted.leaky(), replace(scripted.leaky(), half="fixed"))
    assert not bad.as_expected
    assert [surprise.partition(":")[0] for surprise in bad.surprises] == ["fixed"]


def test_a_half_that_skips_the_work_is_inconclusive_unless_it_leaks() -> None:
    assert half(trace(), complaint="no sums").judgement.verdict is Verdict.INCONCLUSIVE
    assert half(trace(1), complaint="no sums").judgement.verdict is Verdict.LEAKS


# ---- several runs


@pytest.mark.parametrize(("each", "median"), [([1], 9), ([1, 3], 14), ([9, 1, 2], 14), ([1, 2], 11.5)])
def test_the_value_of_several_runs_is_their_median(each: list[int], median: float) -> None:
    value = half(*map(trace, each)).value("open_fds", "collected")
    assert value == median
    assert isinstance(value, int) == (median != 11.5), "a whole median of counts is a whole number"


def test_a_run_that_could_not_be_read_is_left_out_of_the_median() -> None:
    measured = half(trace(3), UNREAD, trace(1))
    assert (measured.values("open_fds", "collected"), measured.value("open_fds", "collected")) == ([19, 9], 14)
    assert measured.rise("open_fds", "collected") == 10
    assert measured.was_read("open_fds")
    assert (half(UNREAD).value("open_fds", "collected"), half(UNREAD).rise("open_fds", "end")) == (None, None)
    assert not half(UNREAD).was_read("open_fds")


def test_the_first_run_that_did_not_complete_is_the_outcome_of_the_half() -> None:
    bad, worse = trace(error="too long", outcome=Outcome.TIMED_OUT), trace(error="it raised")
    measured = half(trace(), bad, worse)
    assert (measured.outcome, measured.error) == (Outcome.TIMED_OUT, "too long")
    assert (half(trace()).outcome, half(trace()).error) == (Outcome.COMPLETED, None)


def test_elapsed_is_the_median_of_the_runs() -> None:
    assert half(trace(elapsed_s=0.1), trace(elapsed_s=9.0), trace(elapsed_s=0.3)).elapsed_s == 0.3


def test_partial_fixes_are_called_what_they_are() -> None:
    assert [half_label(half) for half in ALL_HALVES] == ["leaky", "partial fix", "partial fix 2", "fixed"]
