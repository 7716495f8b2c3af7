"""From samples to a summary: the moments, the exact peaks, and that what was not read never becomes a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest

from leaklab.measure.run_trace import Ending, Outcome, Phase, Sample, Trace
from leaklab.measure.summary import MetricSummary, summarize
from leaklab.metrics import METRICS, Moment

Values = Mapping[str, float | None]
MOMENTS = ("baseline", "peak", "end", "returned", "collected")
IN_ORDER = [
    (Phase.BASELINE, 0, 4),
    (Phase.STEP, 0, 4),
    (Phase.STEP, 1, 5),
    (Phase.STEP, 2, 6),
    (Phase.END, 3, 7),
    (Phase.RETURNED, 3, 9),
    (Phase.SETTLING, 3, 8),
    (Phase.COLLECTED, 3, 5),
]


def trace_of(samples: list[tuple[Phase, int, Values]], peaks: Values | None = None, steps: int = 3) -> Trace:
    taken = tuple(Sample(phase, done, number / 10, values) for number, (phase, done, values) in enumerate(samples))
    return Trace("leaky", steps, 0.3, 0.0, taken, cast("Mapping[str, float]", peaks or {}))


def usual(metric: str = "open_fds", **peaks: float) -> Trace:
    return trace_of([(phase, done, {metric: value}) for phase, done, value in IN_ORDER], peaks)


def summary_of(trace: Trace, metric: str) -> MetricSummary:
    summary = summarize(trace)[metric]
    assert summary is not None
    return summary


def moments_of(trace: Trace, metric: str) -> list[float | None]:
    return [getattr(summary_of(trace, metric), moment) for moment in MOMENTS]


def test_each_moment_is_the_value_of_its_last_sample_and_the_peak_is_the_highest_of_all() -> None:
    assert moments_of(usual(), "open_fds") == [4, 9, 7, 9, 5]
    assert list(summarize(usual())) == list(METRICS)
    zero = trace_of([(phase, done, {"open_fds": 0}) for phase, done, _ in IN_ORDER])
    assert moments_of(zero, "open_fds") == [0] * 5
    twice = trace_of([(Phase.CLOCK, 0, {"threads": 2}), (Phase.CLOCK, 1, {"threads": 5})])
    assert (twice.value("threads", Phase.CLOCK), twice.value("threads", Phase.END)) == (5, None)


def test_the_exact_peak_of_a_service_counts_for_its_metric_if_it_is_higher() -> None:
    assert summary_of(usual("open_sockets", open_sockets=50), "open_sockets").peak == 50
    assert summary_of(usual("open_sockets", open_sockets=2), "open_sockets").peak == 9
    assert summary_of(usual("open_fds", open_sockets=50), "open_fds").peak == 9


def test_what_another_metric_counts_is_taken_off_where_both_were_read() -> None:
    """Three descriptors are sockets; after return the process has none, and a child process of it has one."""
    phases = [phase for phase, _, _ in IN_ORDER]
    readings = [(4, 0), (4, None), (9, 0), (9, None), (9, 3), (9, 3), (9, 3), (5, 1)]
    samples = [
        Sample(phase, 0, 0.1, {"open_fds": fds, "open_sockets": its}, own={"open_sockets": 0} if its == 1 else {})
        for phase, (fds, its) in zip(phases, readings, strict=True)
    ]
    trace = replace(usual(), samples=tuple(samples))
    assert summary_of(trace, "open_fds").alone == {Moment.PEAK: 5, Moment.COLLECTED: 1}
    assert summary_of(trace, "open_sockets").alone == {Moment.PEAK: 3, Moment.COLLECTED: 1}


@pytest.mark.parametrize(
    ("sockets", "descriptors", "points"),
    [
        ([0, None, None, None, None, None, 6], [4, 5, 6, 7, 8, 9, 10], [(done, done) for done in range(7)]),
        ([0, None, None, 3, None, None, 3], [4, 5, 6, 8, 8, 9, 8], [(0, 0), (3, 3), (4, 3), (5, 4), (6, 3)]),
        ([0, None, None, 3], [4, None, 6, 7], [(0, 0), (2, 2), (3, 3)]),
    ],
    ids=["other descriptors stayed", "others came or went in between", "descriptors were not read"],
)
def test_between_two_samples_of_sockets_the_descriptors_say_when_they_rose_if_the_others_stayed(
    sockets: list[int | None], descriptors: list[int | None], points: list[tuple[int, float]]
) -> None:
    assert sampled(sockets, descriptors).step_points("open_sockets") == points


def sampled(sockets: list[int | None], descriptors: list[int | None]) -> Trace:
    last = len(sockets) - 1
    return trace_of([
        (Phase.END if done == last else Phase.STEP, done, {"open_sockets": ours, "open_fds": all_of_them})
        for done, (ours, all_of_them) in enumerate(zip(sockets, descriptors, strict=True))
    ], steps=last)  # fmt: skip


def test_what_was_only_worked_out_between_two_samples_is_no_peak() -> None:
    assert summary_of(sampled([1, None, 1], [4, 9, 4]), "open_sockets").peak == 1


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "elapsed"])
def test_a_metric_that_was_never_read_has_no_summary_even_with_a_peak_of_a_service(metric: str) -> None:
    samples: list[tuple[Phase, int, Values]] = [(Phase.BASELINE, 0, {}), (Phase.COLLECTED, 0, {metric: None})]
    assert summarize(trace_of(samples, {metric: 0}))[metric] is None


@pytest.mark.parametrize("missing", [{}, {"open_fds": None}])
@pytest.mark.parametrize(
    ("phase", "moment"), [(Phase(name), name) for name in ("baseline", "end", "returned", "collected")]
)
def test_a_moment_that_was_not_read_stays_none_and_never_becomes_0(phase: Phase, moment: str, missing: Values) -> None:
    samples = [(its, done, missing if its is phase else {"open_fds": value}) for its, done, value in IN_ORDER]
    values = dict(zip(MOMENTS, moments_of(trace_of(samples), "open_fds"), strict=True))
    assert [name for name, value in values.items() if value is None] == [moment]


def test_a_moment_that_was_not_reached_stays_none() -> None:
    samples: list[tuple[Phase, int, Values]] = [(phase, done, {"rss": value}) for phase, done, value in IN_ORDER[:3]]
    assert moments_of(replace(trace_of(samples), ending=Ending(Outcome.CRASHED)), "rss") == [4, 5, None, None, None]


def test_elapsed_is_the_time_in_run() -> None:
    assert moments_of(usual(), "elapsed") == [0.0, 0.3, 0.4, 0.3, 0.3]


def test_a_half_that_never_returned_has_no_time_at_which_it_did() -> None:
    trace = replace(trace_of([(Phase.BASELINE, 0, {}), (Phase.CLOCK, 0, {})]), ending=Ending(Outcome.TIMED_OUT))
    assert moments_of(trace, "elapsed") == [0.0, 0.3, None, None, None]
