"""Growth over time, on scripted numbers: what rises all the time is told; what fills, falls back or jumps is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leaklab.judge.findings import Verdict
from leaklab.judge.steady import LEAST_SAMPLES, judge_over_time, steady_growth
from leaklab.measure.run_trace import Phase, Sample, Trace


def points(at: Callable[[int], float], count: int = 40) -> list[tuple[float, float]]:
    return [(number * 0.25, at(number)) for number in range(count)]


@pytest.mark.parametrize(
    "at",
    [
        lambda number: number,
        lambda number: number // 5,
        lambda number: 100 + 3 * number + number % 3,
        lambda number: number * number,
        lambda number: 0 if number < 10 else number,
    ],
    ids=["each sample", "now and then", "with noise", "faster and faster", "after a start"],
)
def test_what_rises_all_the_time_grows_steadily(at: Callable[[int], float]) -> None:
    assert steady_growth(points(at))


@pytest.mark.parametrize(
    "at",
    [
        lambda _: 7,
        lambda number: min(number, 10),
        lambda number: min(number, 22),
        lambda number: number % 20,
        lambda number: 40 - number,
        lambda number: 0 if number < 35 else 50,
        lambda number: 50 if number > 20 else 0,
    ],
    ids=["nothing", "a start", "a pool", "a saw", "a fall", "a late jump", "a jump in the middle"],
)
def test_what_fills_falls_back_or_jumps_does_not(at: Callable[[int], float]) -> None:
    assert not steady_growth(points(at))


def test_few_samples_and_samples_of_one_moment_say_nothing() -> None:
    assert not steady_growth(points(float, LEAST_SAMPLES - 1))
    assert not steady_growth([(1.0, number) for number in range(20)])
    assert not steady_growth([(0.0, 0.0), *((9.0, float(number)) for number in range(20))])


def watched(count: int = 40, **at: Callable[[int], float | None]) -> Trace:
    samples = tuple(
        Sample(Phase.CLOCK, 0, number * 0.25, {name: value(number) for name, value in at.items()})
        for number in range(count)
    )
    return Trace("program", 0, samples[-1].at_s, 0.0, samples)


def test_growth_over_time_is_a_doubt_and_no_accusation() -> None:
    told = judge_over_time(watched(open_fds=lambda number: 4 + 5 * number, threads=lambda _: 1))
    assert (told.verdict, told.findings) == (Verdict.INCONCLUSIVE, ())
    assert told.doubts[0].startswith("195 file descriptors more in 9.75 s")


def test_sockets_are_descriptors_and_are_told_once() -> None:
    trace = watched(open_fds=lambda number: 4 + number, open_sockets=lambda number: number)
    assert [doubt.split(" more")[0] for doubt in judge_over_time(trace).doubts[:-1]] == ["39 sockets"]


def test_too_few_things_and_connections_that_a_steady_load_opens_are_no_growth() -> None:
    trace = watched(threads=lambda number: 1 + number / 20, connections_opened=lambda number: number)
    assert judge_over_time(trace).verdict is Verdict.CLEAN


def test_a_short_trace_has_no_verdict() -> None:
    assert judge_over_time(watched(3, threads=lambda _: 1)).verdict is Verdict.INCONCLUSIVE
