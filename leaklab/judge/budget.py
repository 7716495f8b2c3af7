"""The memory budget: a buffer that is still there while the work that does not need it goes on."""

from leaklab import sentences
from leaklab.judge.findings import Finding
from leaklab.measure.run_trace import Outcome, Phase, Trace
from leaklab.measure.summary import MetricSummary
from leaklab.metrics import FindingKind

HELD_AT_STEPS = 0.1
"""A buffer that is resident at more than this share of the steps is held. One that is made after the first item was
taken and freed before the second is resident at one step."""


def over_budget(trace: Trace, metric: MetricSummary, budget: int) -> tuple[list[Finding], list[str]]:
    """The finding, or the doubt, on a half that may hold `budget` bytes of a metric above its baseline.

    What counts is the last step, a good part of the steps, and what the names of `run` still held when it returned.
    """
    start, name = metric.baseline or 0.0, metric.metric.name
    at_steps = sorted((value for _, value in trace.step_points(name)), reverse=True)
    if not at_steps:
        unknown = trace.outcome is Outcome.COMPLETED and metric.peak - start > budget
        return [], [sentences.NO_ITEM_TAKEN] if unknown else []
    moments = {
        "at the last step": metric.end,
        f"at one step in {1 / HELD_AT_STEPS:.0f} or more": at_steps[int(len(at_steps) * HELD_AT_STEPS)],
        "when run() returned": metric.returned,
        "after run() returned": metric.collected,
    }
    left = (metric.collected or 0.0) - start
    for when, held in ((when, value - start) for when, value in moments.items() if value is not None):
        if held > budget:
            reason = sentences.over_budget(held, max(0.0, left), budget, when, survived=left > budget)
            kind = FindingKind.LEAKED if left > budget else FindingKind.HELD
            return [Finding.of(kind, name, held, budget, reason)], []
    values = [sample.get(name) or 0.0 for sample in trace.samples]
    last = max((index for index, sample in enumerate(trace.samples) if sample.phase is Phase.END), default=0)
    came_later = max(values[:last], default=0.0) - start <= budget < max(values[last:]) - start
    return [], [sentences.AFTER_THE_STEPS] if came_later else []
