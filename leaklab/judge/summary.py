"""The summary of a trace: each metric at the moments that matter."""

from collections.abc import Mapping
from dataclasses import dataclass

from leaklab.measure.trace import Outcome, Phase, Trace
from leaklab.metrics import METRICS, Judge, Metric, Moment


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric of one run, in the metric's unit; None where it could not be read.

    `alone` is what was there above the baseline, at its peak and after gc, without what another metric counts.
    """

    metric: Metric
    baseline: float | None
    peak: float
    end: float | None
    returned: float | None
    collected: float | None
    alone: Mapping[Moment, float]


LINGERED = 0.5
"""What runs ends by itself if more than this share of it is there shortly after return: `run` did not hold it.
A client of pymongo that is dropped has threads that end within half a second."""

Summary = Mapping[str, MetricSummary | None]


def summarize(trace: Trace) -> dict[str, MetricSummary | None]:
    """The summary of each metric, in the order of the metrics' table; None for one that was never read."""
    return {name: _summarize_metric(trace, metric) for name, metric in METRICS.items()}


def _summarize_metric(trace: Trace, metric: Metric) -> MetricSummary | None:
    if metric.judge is Judge.DEADLINE:
        returned = trace.elapsed_s if trace.outcome is Outcome.COMPLETED else None
        end = next((sample.at_s for sample in reversed(trace.samples) if sample.phase is Phase.END), None)
        return MetricSummary(metric, 0.0, trace.elapsed_s, end, returned, returned, {})
    values = [value for sample in trace.samples if (value := sample.get(metric.name)) is not None]
    if not values:
        return None
    # An exact peak includes the parts: it is one of this metric alone only where it has none.
    exact, points = trace.peaks.get(metric.name, 0), trace.alone(metric)
    start = next((value for phase, value in points if phase is Phase.BASELINE), None)
    alone: dict[Moment, float] = {}
    if start is not None:
        most = max([value for _, value in points] + ([] if trace.parts(metric) else [exact])) - start
        if metric.state != "running" or trace.shortly_after(metric.name) - start <= LINGERED * most:
            alone[Moment.PEAK] = most
        if points[-1][0] is Phase.COLLECTED:
            alone[Moment.COLLECTED] = max(0.0, points[-1][1] - start)
    return MetricSummary(
        metric=metric,
        baseline=trace.value(metric.name, Phase.BASELINE),
        peak=max([*values, exact]),
        end=trace.at_the_end(metric.name),
        returned=trace.value(metric.name, Phase.RETURNED),
        collected=trace.value(metric.name, Phase.COLLECTED),
        alone=alone,
    )
