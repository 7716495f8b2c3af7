"""Findings and verdict of one half: pure functions over the numbers of its runs."""

from collections.abc import Collection, Iterator, Sequence

from leaklab import sentences
from leaklab.judge.budget import over_budget
from leaklab.judge.deadline import IN_TIME, maybe_late, stalled, waited
from leaklab.judge.findings import Finding, Judgement, Verdict, Work
from leaklab.judge.scaling import Growth, SizedRun, Thresholds, growing, suspects
from leaklab.measure.run_trace import Outcome, Trace
from leaklab.metrics import METRICS, FindingKind, Judge, Moment
from leaklab.sentences import HALF, Wording


def judge(
    trace: Trace,
    run: SizedRun,
    bounds: Thresholds,
    others: Sequence[SizedRun] = (),
    *,
    doubts: Sequence[str] = (),
    known: Collection[tuple[str, str]] | None = None,
    words: Wording = HALF,
) -> Judgement:
    """The verdict on one run of a half: by its deadline, by its budget, and by what grows with the work.

    Args:
        trace: the run that is shown.
        run: the same, as a summary.
        bounds: the scenario's thresholds.
        others: runs of other sizes; none if it was not needed, or could not be had.
        doubts: why a run of another size cannot be relied on.
        known: of a control half, what it is known to do, as (kind, metric): that is judged by the one run.
        words: what the work is called in sentences.
    """
    findings: list[Finding] = []
    open_doubts = [] if trace.outcome is Outcome.COMPLETED else [f"{words.who} did not complete: {trace.ending}"]
    # A half that never started has nothing to read.
    telling = bounds.telling if trace.samples else ()
    open_doubts += [sentences.unread(METRICS[name]) for name in telling if run.summary.get(name) is None]
    open_doubts += doubts
    if (deadline := bounds.deadline_s) is not None:
        findings, open_doubts = stalled(trace, deadline), [*open_doubts, *maybe_late(trace, deadline)]
    for metric in filter(None, run.summary.values()):
        if bounds.memory is not None and metric.metric.budgeted:
            over, maybe = over_budget(trace, metric, bounds.memory)
            findings, open_doubts = [*findings, *over], [*open_doubts, *maybe]
    runs = [run, *others]
    if trace.outcome is Outcome.COMPLETED and run.steps and (others or known is not None):
        told = {finding.metric for finding in findings}
        grown = [
            found for one in growing(runs, bounds) if (found := _finding(trace, runs, one, words)).metric not in told
        ]
        findings += [one for one in grown if known is None or (one.kind.value, one.metric) in known]
    elif trace.outcome is Outcome.COMPLETED and bounds.deadline_s is None and not doubts:
        there = [(metric, max(run.count(metric, moment) for moment in Moment)) for metric in suspects(run, bounds)]
        open_doubts += [sentences.undecided(there)] if there else []
    if findings:
        steady = tuple(_steady(runs, bounds, {finding.metric for finding in findings}))
        return Judgement(Verdict.LEAKS, tuple(findings), tuple(open_doubts), steady=steady)
    if open_doubts:
        return Judgement(Verdict.INCONCLUSIVE, (), tuple(open_doubts))
    return Judgement(Verdict.CLEAN, looked_at=_looked_at(trace, runs, bounds, words))


def _finding(trace: Trace, runs: Sequence[SizedRun], growth: Growth, words: Wording) -> Finding:
    """The first run is the one that is shown."""
    metric, kind, pace = growth.metric, growth.kind, growth.per_step
    sizes = [(one.steps, one.count(metric, growth.moment)) for one in runs]
    if kind is FindingKind.WASTED:
        served = [one.count(METRICS[metric.serves or metric.name], growth.moment) for one in runs]
        reason = sentences.wasted(metric, sizes, served, words)
    elif kind is FindingKind.HELD:
        reason = sentences.held(metric, sizes, pace, runs[0].count(metric, Moment.COLLECTED), words)
    else:
        reason = sentences.leaked(metric, sizes, pace, trace.waited_s, words)
    explained = [(one, runs[0].count(one, growth.moment)) for one in METRICS.values() if one.explains == metric.name]
    reason += "".join(f"; {one.format(count)} of them {one.remains}" for one, count in explained if count)
    threshold = metric.floor if metric.unit == "bytes" else 0
    return Finding.of(kind, metric.name, sizes[0][1], threshold, reason, tuple(Work(*size) for size in sizes), pace)


def _steady(runs: Sequence[SizedRun], bounds: Thresholds, found: Collection[str]) -> Iterator[str]:
    """A sentence for each key metric that was high enough to be a leak, and no higher in the other runs."""
    for metric in suspects(runs[0], bounds):
        peak, *others = [one.count(metric, Moment.PEAK) for one in runs]
        is_key = metric.name in bounds.telling and metric.name not in found and metric.unit == "count"
        if is_key and others and max(others) <= peak:
            yield sentences.steady(metric, peak, others)


def _looked_at(trace: Trace, runs: Sequence[SizedRun], bounds: Thresholds, words: Wording) -> str:
    """What was looked at in a half that is clean."""
    read = [metric for metric in METRICS.values() if runs[0].summary.get(metric.name)]
    held = [one.count(metric, Moment.COLLECTED) for metric in read for one in runs if metric.budgeted]
    counts = sum(metric.unit == "count" and metric.judge is not Judge.WORK for metric in read)
    below = [(one.metric, one.per_step) for one in growing(runs, bounds, floors=False)] if len(runs) > 1 else []
    few = None if len(runs) > 1 else runs[0].few if runs[0].steps else 0
    said = sentences.clean(counts, few, max(held, default=0), below, words.unit)
    if bounds.deadline_s is None:
        return said
    return f"{sentences.in_time(trace.elapsed_s, waited(trace), IN_TIME * bounds.deadline_s)}; {said}"
