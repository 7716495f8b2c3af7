"""From samples to a summary: the moments, the exact peaks, and that what was not read is never made a number."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from leaklab.judge.growth import Shape
from leaklab.judge.summary import MetricSummary, summarize
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Sample, Trace
from leaklab.metrics import METRICS

Values = Mapping[str, float | None]

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


def trace_of(
    samples: list[tuple[Phase, int, Values]],
    *,
    ending: Ending = COMPLETED,
    steps: int = 3,
    elapsed_s: float = 0.3,
    peaks: Mapping[str, float] | None = None,
) -> Trace:
    return Trace(
        half="leaky",
        steps=steps,
        elapsed_s=elapsed_s,
        waited_s=0.0,
        samples=tuple(Sample(phase, done, number / 10, values) for number, (phase, done, values) in enumerate(samples)),
        peaks=peaks or {},
        ending=ending,
    )


def summary_of(trace: Trace, metric: str) -> MetricSummary:
    summary = summarize(trace)[metric]
    assert summary is not None
    return summary


def passes(metric: str, *series: list[float]) -> Trace:
    """A half that goes through its items more than once: the values after each step of each pass."""
    samples = [Sample(Phase.BASELINE, 0, 0.0, {metric: series[0][0]})]
    for number, values in enumerate(series):
        for done, value in enumerate(values):
            phase = Phase.STEP if done < len(values) - 1 else Phase.END
            samples.append(Sample(phase, done, 0.1, {metric: value}, None, number))
    return Trace("leaky", 3, 0.3, 0.0, tuple(samples))


@pytest.mark.parametrize(
    ("series", "number", "end"),
    [
        (([0, 0, 0, 0], [0, 1, 2, 3]), 1, 3),
        (([0, 1, 2, 3], [3, 3, 3, 3]), 0, 3),
        (([0, 1, 2, 3], [0, 0, 0, 0]), 0, 3),
        (([0, 1, 1, 1], [1, 2, 3, 4]), 1, 4),
        (([0, 0, 0, 0], [0, 0, 0, 0]), 1, 0),
    ],
    ids=["logged first", "logged afterwards", "closed before it is logged", "the greater rise", "nothing"],
)
def test_of_several_passes_that_tells_in_which_a_metric_rose_most(
    series: tuple[list[float], ...], number: int, end: float
) -> None:
    trace = passes("open_fds", *series)
    assert trace.step_points("open_fds") == [*enumerate(series[number])]
    assert summary_of(trace, "open_fds").end == end


def test_memory_is_told_by_the_pass_in_which_there_was_most_where_it_rises_in_none() -> None:
    held = [280.0 * 2**20] * 4
    trace = passes("rss", [15.0 * 2**20] * 4, held, [16.0 * 2**20] * 4)
    assert trace.step_points("rss") == [*enumerate(held)]
    assert summary_of(trace, "rss").end == held[0]


def usual(metric: str = "open_fds", **more: float) -> Trace:
    return trace_of([(phase, done, {metric: value}) for phase, done, value in IN_ORDER], peaks=more)


def test_each_moment_is_the_value_read_at_it() -> None:
    summary = summary_of(usual(), "open_fds")
    assert (summary.baseline, summary.end, summary.returned, summary.collected) == (4, 7, 9, 5)


def test_the_peak_is_the_highest_of_all_samples_whatever_their_phase() -> None:
    assert summary_of(usual(), "open_fds").peak == 9


def test_the_exact_peak_that_a_service_kept_between_samples_counts_if_it_is_higher() -> None:
    assert summary_of(usual("open_sockets", open_sockets=50), "open_sockets").peak == 50
    assert summary_of(usual("open_sockets", open_sockets=2), "open_sockets").peak == 9


def test_the_peak_of_one_metric_is_not_taken_for_another() -> None:
    assert summary_of(usual("open_fds", open_sockets=50), "open_fds").peak == 9


def test_growth_is_judged_over_the_steps_and_not_over_the_clock_or_what_came_after_return() -> None:
    samples: list[tuple[Phase, int, Values]] = [(phase, done, {"open_fds": value}) for phase, done, value in IN_ORDER]
    samples.insert(3, (Phase.CLOCK, 1, {"open_fds": 4_000}))
    growth = summary_of(trace_of(samples), "open_fds").growth
    assert growth is not None
    assert (growth.shape, growth.total, growth.per_step, growth.steps) == (Shape.STEADY, 3, 1.0, 3)


def test_a_half_without_steps_has_no_pace() -> None:
    trace = trace_of(
        [
            (Phase.BASELINE, 0, {"threads": 1}),
            (Phase.RETURNED, 0, {"threads": 3}),
            (Phase.COLLECTED, 0, {"threads": 1}),
        ],
        steps=0,
    )
    summary = summary_of(trace, "threads")
    assert summary.growth is None
    assert summary.per_step is None
    assert summary.end is None
    assert summary_of(trace, "elapsed").per_step is None


# ---- sockets, which are read at few of the steps


def looked(sockets: list[int | None], descriptors: list[int | None]) -> Trace:
    last = len(sockets) - 1
    return trace_of(
        [
            (Phase.END if done == last else Phase.STEP, done, {"open_sockets": ours, "open_fds": all_of_them})
            for done, (ours, all_of_them) in enumerate(zip(sockets, descriptors, strict=True))
        ],
        steps=last,
    )


def test_between_two_looks_with_as_many_other_descriptors_the_descriptors_tell_when_sockets_rose() -> None:
    trace = looked([0, None, None, None, None, None, 6], [4, 5, 6, 7, 8, 9, 10])
    assert trace.step_points("open_sockets") == [(done, float(done)) for done in range(7)]


def test_between_two_looks_with_other_descriptors_come_or_gone_no_number_of_sockets_is_made_up() -> None:
    trace = looked([0, None, None, 3, None, None, 3], [4, 5, 6, 8, 8, 9, 8])
    assert trace.step_points("open_sockets") == [(0, 0), (3, 3), (4, 3), (5, 4), (6, 3)]


def test_where_descriptors_were_not_read_no_number_of_sockets_is_made_up() -> None:
    trace = looked([0, None, None, 3], [4, None, 6, 7])
    assert trace.step_points("open_sockets") == [(0, 0), (2, 2), (3, 3)]


def test_what_was_only_worked_out_between_two_looks_is_no_peak() -> None:
    assert summary_of(looked([1, None, 1], [4, 9, 4]), "open_sockets").peak == 1


# ---- what was not read


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "elapsed"])
def test_a_metric_that_was_never_read_has_no_summary(metric: str) -> None:
    assert summarize(trace_of([(Phase.BASELINE, 0, {}), (Phase.COLLECTED, 0, {metric: None})]))[metric] is None


def test_a_metric_that_was_never_read_has_no_summary_even_if_a_service_kept_a_peak_of_it() -> None:
    assert summarize(trace_of([(Phase.BASELINE, 0, {})], peaks={"open_cursors": 0}))["open_cursors"] is None


@pytest.mark.parametrize("unread", [None, "missing"])
@pytest.mark.parametrize(
    ("phase", "moment"),
    [
        (Phase.BASELINE, "baseline"),
        (Phase.END, "end"),
        (Phase.RETURNED, "returned"),
        (Phase.COLLECTED, "collected"),
    ],
)
def test_a_moment_at_which_nothing_was_read_stays_none_and_never_becomes_0(
    phase: Phase, moment: str, unread: str | None
) -> None:
    empty: Values = {} if unread else {"open_fds": None}
    samples = [(its, done, empty if its is phase else {"open_fds": value}) for its, done, value in IN_ORDER]
    summary = summary_of(trace_of(samples), "open_fds")
    moments = {name: getattr(summary, name) for name in ("baseline", "end", "returned", "collected")}
    assert [name for name, value in moments.items() if value is None] == [moment]


def test_a_moment_that_was_not_reached_stays_none() -> None:
    samples: list[tuple[Phase, int, Values]] = [(phase, done, {"rss": value}) for phase, done, value in IN_ORDER[:3]]
    summary = summary_of(trace_of(samples, ending=Ending(Outcome.CRASHED, "it raised")), "rss")
    assert (summary.baseline, summary.peak) == (4, 5)
    assert (summary.end, summary.returned, summary.collected) == (None, None, None)


def test_a_reading_of_0_is_a_reading() -> None:
    summary = summary_of(trace_of([(phase, done, {"open_sockets": 0}) for phase, done, _ in IN_ORDER]), "open_sockets")
    assert (summary.baseline, summary.peak, summary.end, summary.returned, summary.collected) == (0, 0, 0, 0, 0)


def test_the_last_reading_of_a_phase_counts() -> None:
    trace = trace_of([(Phase.CLOCK, 0, {"threads": 2}), (Phase.CLOCK, 1, {"threads": 5})])
    assert trace.value("threads", Phase.CLOCK) == 5
    assert trace.value("threads", Phase.END) is None


# ---- elapsed


def test_elapsed_is_the_time_in_run_and_its_pace_is_known() -> None:
    summary = summary_of(usual(), "elapsed")
    assert (summary.baseline, summary.peak, summary.returned, summary.collected) == (0.0, 0.3, 0.3, 0.3)
    assert summary.per_step == pytest.approx(0.1)
    assert summary.end == pytest.approx(0.4)


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.TIMED_OUT])
def test_a_half_that_never_returned_has_no_time_at_which_it_did(outcome: Outcome) -> None:
    summary = summary_of(
        trace_of([(Phase.BASELINE, 0, {}), (Phase.CLOCK, 0, {})], ending=Ending(outcome, "")), "elapsed"
    )
    assert summary.peak == 0.3
    assert (summary.end, summary.returned, summary.collected) == (None, None, None)


def test_the_summary_names_every_metric_in_the_order_of_the_table() -> None:
    assert list(summarize(usual())) == list(METRICS)
