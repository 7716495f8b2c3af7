"""The summary of a trace: each metric at the moments that matter."""

from collections.abc import Mapping
from dataclasses import dataclass

from leaklab.measure.run_trace import Outcome, Phase, Trace
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


LINGERS_S = 0.05
"""Seconds after garbage collection in which what `run` itself ended has come to its end."""

LINGERED = 0.5
"""If more than this share of something is there even later, it ends by itself, and `run` did not hold it until it
returned. A client of pymongo that is dropped has threads that end within half a second, and cursors within one."""

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
    exact, points = trace.peaks.get(metric.name, 0), trace.alone(metric)
    alone: dict[Moment, float] = {}
    if points and points[0][0].phase is Phase.BASELINE:
        start = points[0][1]
        # An exact peak includes the parts: it is one of this metric alone only where it has none.
        most = max([value for _, value in points] + ([] if trace.parts(metric) else [exact])) - start
        looks = [
            (look.at_s, value - start) for look, value in points if look.phase in (Phase.SETTLING, Phase.COLLECTED)
        ]
        later = next((left for at_s, left in looks if at_s >= looks[0][0] + LINGERS_S), looks[-1][1] if looks else 0.0)
        if later <= LINGERED * most:
            alone[Moment.PEAK] = most
        if points[-1][0].phase is Phase.COLLECTED:
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
