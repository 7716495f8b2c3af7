"""The summary of a trace: each metric at the moments that matter, and its growth per step."""

from dataclasses import dataclass

from leaklab.judge.growth import Growth, Shape, growth_of
from leaklab.measure.trace import Outcome, Phase, Trace
from leaklab.metrics import METRICS, Judge, Metric


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric of one half: its value at the moments that matter, and its growth per step.

    Values are in the metric's unit, None where they could not be read. `per_step` is None where the half has no steps.
    """

    metric: Metric
    baseline: float | None
    peak: float | None
    end: float | None
    returned: float | None
    collected: float | None
    growth: Growth | None

    @property
    def per_step(self) -> float | None:
        """Growth per step in the metric's unit."""
        return None if self.growth is None else self.growth.per_step


def summarize(trace: Trace) -> dict[str, MetricSummary | None]:
    """The summary of each metric, in the order of the metrics' table; None for one that was never read."""
    return {name: _summarize_metric(trace, metric) for name, metric in METRICS.items()}


def _summarize_metric(trace: Trace, metric: Metric) -> MetricSummary | None:
    if metric.judge is Judge.DEADLINE:
        return _summarize_elapsed(trace, metric)
    values = [value for sample in trace.samples if (value := sample.get(metric.name)) is not None]
    if not values:
        return None
    points = trace.step_points(metric.name)
    return MetricSummary(
        metric=metric,
        baseline=trace.value(metric.name, Phase.BASELINE),
        peak=max([*values, trace.peaks.get(metric.name, 0)]),
        end=_at_the_end(trace, metric),
        returned=trace.value(metric.name, Phase.RETURNED),
        collected=trace.value(metric.name, Phase.COLLECTED),
        growth=growth_of(points, least=metric.least) if len(points) > 1 else None,
    )


def _at_the_end(trace: Trace, metric: Metric) -> float | None:
    """The value at the last step, of several passes over the items the most.

    Of a half that took its items by number, and asked for no more, when the last one began.
    """
    at_ends = [sample.get(metric.name) for sample in trace.samples if sample.phase is Phase.END]
    if trace.outcome is not Outcome.COMPLETED or at_ends:
        return max((value for value in at_ends if value is not None), default=None)
    return next((value for _, value in reversed(trace.step_points(metric.name))), None)


def _summarize_elapsed(trace: Trace, metric: Metric) -> MetricSummary:
    returned = trace.elapsed_s if trace.outcome is Outcome.COMPLETED else None
    end = next((sample.at_s for sample in reversed(trace.samples) if sample.phase is Phase.END), None)
    # A known pace, which is not judged.
    growth = Growth(Shape.FLAT, 0.0, trace.elapsed_s / trace.steps, 0, 0) if trace.steps else None
    return MetricSummary(metric, 0.0, trace.elapsed_s, end, returned, returned, growth)
