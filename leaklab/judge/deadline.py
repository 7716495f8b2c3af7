"""The deadline rule: an answer that came too late, and work that went on for a caller that had given up."""

from collections.abc import Iterator

from leaklab import sentences
from leaklab.judge.findings import Finding
from leaklab.measure.run_trace import Outcome, Phase, Trace
from leaklab.metrics import ELAPSED, METRICS, FindingKind, Metric

IN_TIME = 1.3
"""An answer within this many deadlines is in time: a busy machine adds a little, a dead service much more."""

TOO_LATE = 2.0
"""An answer after this many deadlines is stalled; between the two there is no verdict."""


def waited(trace: Trace) -> float:
    """The seconds that count against the deadline.

    A half's own computing, and its waiting for a processor, are no waiting for a service; what the services have seen
    it wait for them counts in any case.
    """
    if trace.outcome is not Outcome.COMPLETED:
        return trace.elapsed_s
    idle = trace.elapsed_s - (trace.cpu_s or 0.0) - (trace.cpu_wait_s or 0.0)
    return max(idle, trace.answers_awaited_s or 0.0)


def stalled(trace: Trace, deadline: float) -> list[Finding]:
    """The findings on a half whose caller needed its answer within `deadline` seconds."""
    threshold, took = deadline * TOO_LATE, waited(trace)
    if took >= threshold:
        reason = sentences.late(trace.elapsed_s, took, deadline, trace.looks, done=trace.outcome is Outcome.COMPLETED)
        return [Finding.of(FindingKind.STALLED, ELAPSED.name, took, threshold, reason)]
    # Threads and processes first, then what they have open.
    metrics = sorted(METRICS.values(), key=lambda metric: metric.state != "running")
    found: list[Finding] = []
    for metric in metrics:
        if metric.abandoned:
            found += _abandoned(trace, metric, threshold, explained=bool(found))
    return found


def maybe_late(trace: Trace, deadline: float) -> list[str]:
    """The doubt about an answer that came too late to be clean, and too early to be stalled."""
    if not IN_TIME * deadline < (took := waited(trace)) < TOO_LATE * deadline:
        return []
    return [sentences.maybe_late(trace.elapsed_s, took, deadline, TOO_LATE * deadline, trace.looks)]


def _abandoned(trace: Trace, metric: Metric, threshold: float, *, explained: bool) -> Iterator[Finding]:
    """More of it than at the start in the first sample after the threshold, or else in the last sample of all.

    Why they count is said once: not if it was `explained` before.
    """
    baseline = trace.value(metric.name, Phase.BASELINE)
    settling = [sample for sample in trace.samples if sample.phase in (Phase.SETTLING, Phase.COLLECTED)]
    late = [sample for sample in settling if sample.at_s >= threshold] or settling[-1:]
    if baseline is None or not late:
        return
    left = (late[0].get(metric.name) or 0) - baseline
    # Threads of a pool and connections kept for the next call stay once their work is done or cancelled.
    due = [sample.answers_due for sample in late if sample.answers_due is not None]
    left = min(left, max(due)) if due else left
    if left > 0:
        reason = sentences.abandoned(metric, left, late[0].at_s, None if explained else trace.elapsed_s)
        yield Finding.of(FindingKind.STALLED, metric.name, left, 0, reason)
