"""The questions asked of a result: medians over runs, what is a surprise, what leaving out the work does."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from leaklab.content.declaration import LEAKS_NOTHING, Expected
from leaklab.content.settings import Settings
from leaklab.judge.verdict import Thresholds, Verdict
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result, half_surprises
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Sample, Trace

STEPS = 5
LEAKS = Expected("leaks", (("leaked", "open_fds"),))


def trace(
    *,
    each: int = 0,
    outcome: Outcome = Outcome.COMPLETED,
    error: str | None = None,
    elapsed_s: float = 0.1,
    unread: bool = False,
) -> Trace:
    """A half that leaks `each` descriptors per step."""
    moments = [(Phase.BASELINE, 0), *((Phase.STEP, done) for done in range(STEPS)), (Phase.END, STEPS)]
    moments += [(Phase.RETURNED, STEPS), (Phase.COLLECTED, STEPS)]
    samples = tuple(
        Sample(phase, done, 0.0, {"open_fds": None if unread else float(4 + each * done)}) for phase, done in moments
    )
    ending = COMPLETED if outcome is Outcome.COMPLETED else Ending(outcome, error or "")
    return Trace("leaky", STEPS, elapsed_s, 0.0, samples, ending=ending)


def half(*traces: Trace, complaint: str | None = None) -> HalfResult:
    return half_result("leaky", [MeasuredRun(each, complaint) for each in traces], Thresholds())


def result(leaky: HalfResult, fixed: HalfResult, expected: dict[str, Expected] | None = None) -> Result:
    return Result(
        scenario="tiny",
        settings=Settings(steps=STEPS),
        mongo=None,
        python="3.11.0",
        halves={"leaky": leaky, "fixed": fixed},
        expected={"leaky": LEAKS, "fixed": LEAKS_NOTHING} if expected is None else expected,
        telling=("open_fds",),
    )


def test_a_pair_that_is_what_the_scenario_says_has_no_surprise() -> None:
    measured = result(half(trace(each=1)), half(trace()))
    assert measured.surprises == []
    assert measured.as_expected


def test_a_leaky_half_that_does_not_leak_is_a_surprise() -> None:
    measured = result(half(trace()), half(trace()))
    assert measured.surprises == ["leaky: the verdict is clean, expected is leaks"]
    assert not measured.as_expected


def test_a_fixed_half_that_leaks_is_a_surprise() -> None:
    measured = result(half(trace(each=1)), half(trace(each=1)))
    assert measured.surprises == ["fixed: the verdict is leaks, expected is clean"]


def test_a_leak_of_another_kind_than_expected_is_a_surprise() -> None:
    expected = Expected("leaks", (("held", "open_fds"), ("leaked", "open_sockets")))
    assert half_surprises(half(trace(each=1)), expected) == [
        "held open_fds was expected and not found",
        "leaked open_sockets was expected and not found",
    ]


def test_a_finding_more_than_expected_is_no_surprise() -> None:
    assert half_surprises(half(trace(each=1)), Expected("leaks")) == []


def test_a_crash_is_a_surprise_and_so_is_what_it_does_to_the_verdict() -> None:
    crashed = half(trace(outcome=Outcome.CRASHED, error="it exited with code 3"))
    assert half_surprises(crashed, LEAKS_NOTHING) == [
        "crashed: it exited with code 3",
        "the verdict is inconclusive, expected is clean",
    ]


def test_a_half_of_which_nothing_is_expected_surprises_by_its_end_and_its_work_only() -> None:
    assert half_surprises(half(trace(each=1)), None) == []
    assert half_surprises(half(trace(), complaint="no sums"), None) == ["it did not do the work: no sums"]
    assert len(half_surprises(half(trace(outcome=Outcome.TIMED_OUT, error="too long")), None)) == 1


# ---- work that was left out


def test_whoever_leaves_the_work_out_is_not_clean() -> None:
    lazy = half(trace(), complaint="expected 5 sums")
    assert lazy.judgement.verdict is Verdict.INCONCLUSIVE
    assert lazy.judgement.doubts == ("it did not do the work: expected 5 sums",)


def test_whoever_leaves_the_work_out_and_leaks_still_leaks() -> None:
    assert half(trace(each=1), complaint="expected 5 sums").judgement.verdict is Verdict.LEAKS


# ---- several runs


def half_of(values: Sequence[int]) -> HalfResult:
    return half(*(trace(each=each) for each in values))


@pytest.mark.parametrize(("each", "median"), [([1], 9), ([1, 3], 14), ([1, 2, 9], 14), ([9, 1, 2], 14), ([1, 2], 11.5)])
def test_the_value_of_several_runs_is_their_median(each: list[int], median: float) -> None:
    assert half_of(each).value("open_fds", "collected") == median


def test_a_whole_median_of_counts_is_a_whole_number() -> None:
    value = half_of([1, 3]).value("open_fds", "peak")
    assert isinstance(value, int)


def test_the_values_of_the_runs_are_told_in_their_order() -> None:
    assert half_of([3, 1, 2]).values("open_fds", "collected") == [19, 9, 14]


def test_a_run_that_could_not_be_read_is_left_out_of_the_median_and_not_counted_as_0() -> None:
    measured = half(trace(each=1), trace(unread=True), trace(each=1))
    assert measured.values("open_fds", "collected") == [9, 9]
    assert measured.value("open_fds", "collected") == 9
    assert measured.was_read("open_fds")


def test_a_metric_that_no_run_could_read_has_no_value() -> None:
    measured = half(trace(unread=True))
    assert measured.value("open_fds", "collected") is None
    assert not measured.was_read("open_fds")


def test_the_first_run_that_did_not_complete_tells_how_the_half_ended() -> None:
    bad = trace(outcome=Outcome.TIMED_OUT, error="too long")
    worse = trace(outcome=Outcome.CRASHED, error="it raised")
    measured = half(trace(), bad, worse)
    assert (measured.outcome, measured.error) == (Outcome.TIMED_OUT, "too long")
    assert (half(trace()).outcome, half(trace()).error) == (Outcome.COMPLETED, None)


def test_elapsed_is_the_median_of_the_runs() -> None:
    assert half(trace(elapsed_s=0.1), trace(elapsed_s=9.0), trace(elapsed_s=0.3)).elapsed_s == 0.3


def test_a_result_is_not_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        result(half(trace()), half(trace())).scenario = "other"  # type: ignore[misc] # that it cannot is the test
