"""Findings and verdict of one half: pure functions over the numbers of its runs."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from leaklab.judge import sentences
from leaklab.judge.budget import over_budget
from leaklab.judge.deadline import stalled
from leaklab.judge.findings import Finding, Judgement, Verdict, Work
from leaklab.judge.scaling import Growth, SizedRun, growing, suspects
from leaklab.measure.trace import Outcome, Trace
from leaklab.metrics import METRICS


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scenario's thresholds.

    Attributes:
        deadline_s: seconds within which the caller needs its answer; None without a deadline.
        hang_s: seconds after which the dead service answers; None if no service is dead.
        memory: bytes of RSS above the baseline that may be held at the last step (MEMORY_FLOOR or more), or None.
        telling: the key metrics: without them there is no verdict.
        concurrency: how many things a half may have open at the same time by design.
    """

    deadline_s: float | None = None
    hang_s: float | None = None
    memory: int | None = None
    telling: tuple[str, ...] = ()
    concurrency: int = 0


def judge(
    trace: Trace,
    run: SizedRun,
    bounds: Thresholds,
    second: SizedRun | None = None,
    *,
    doubts: Sequence[str] = (),
    known: Collection[tuple[str, str]] | None = None,
) -> Judgement:
    """The verdict on one run of a half: by its deadline, by its budget, and by what grows with the work.

    Args:
        trace: the run that is shown.
        run: the same, as a summary.
        bounds: the scenario's thresholds.
        second: a run of another size; None if it was not needed, or could not be had.
        doubts: why a run of another size cannot be relied on.
        known: of a control half, what it is known to do, as (kind, metric): that is judged by the one run.
    """
    findings: list[Finding] = []
    open_doubts = [sentences.unread(METRICS[name]) for name in bounds.telling if run.summary.get(name) is None]
    open_doubts += doubts
    sizes = sorted(filter(None, (run, second)), key=lambda one: one.steps)
    has_budget, completed = bounds.memory is not None, trace.outcome is Outcome.COMPLETED
    if not completed:
        open_doubts.insert(0, f"the half did not complete: {trace.ending}")
    if bounds.deadline_s is not None:
        late, maybe = stalled(trace, bounds.deadline_s)
        findings, open_doubts = [*findings, *late], [*open_doubts, *maybe]
    for metric in filter(None, run.summary.values()):
        if bounds.memory is not None and metric.metric.budgeted:
            over, maybe = over_budget(trace, metric, bounds.memory)
            findings, open_doubts = [*findings, *over], [*open_doubts, *maybe]
    if completed and run.steps and (second is not None or known is not None):
        told = {finding.metric for finding in findings}
        found = [one for one in growing(sizes, bounds.concurrency, budget=has_budget) if one.metric.name not in told]
        grown = [one for one in found if known is None or (one.kind.value, one.metric.name) in known]
        findings += [_finding(trace, run, second, one) for one in grown]
    elif completed and bounds.deadline_s is None:
        suspect = [] if doubts else suspects(run, budget=has_budget)
        open_doubts += [sentences.undecided(run, suspect)] if suspect else []
    if findings:
        return Judgement(Verdict.LEAKS, tuple(findings), tuple(open_doubts))
    if open_doubts:
        return Judgement(Verdict.INCONCLUSIVE, (), tuple(open_doubts))
    below = growing(sizes, bounds.concurrency, budget=has_budget, floors=False) if second is not None else ()
    return Judgement(Verdict.CLEAN, looked_at=sentences.clean(sizes, below))


def combine(judgements: Sequence[Judgement]) -> Judgement:
    """The verdict on several runs of the same half: their common one, or inconclusive if they disagree."""
    verdicts = Counter(judgement.verdict for judgement in judgements)
    if len(verdicts) > 1:
        counted = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.most_common())
        doubts = [doubt for judgement in judgements for doubt in judgement.doubts]
        disagree = f"{len(judgements)} runs disagree ({counted}); try a higher --repeat on a quieter machine"
        return Judgement(Verdict.INCONCLUSIVE, (), (disagree, *dict.fromkeys(doubts)))
    first, *others = judgements
    found = [{(finding.kind, finding.metric) for finding in judgement.findings} for judgement in others]
    common = tuple(f for f in first.findings if all((f.kind, f.metric) in shared for shared in found))
    # If they share no finding, those of the first run are shown.
    return replace(first, findings=common or first.findings)


def _finding(trace: Trace, run: SizedRun, second: SizedRun | None, growth: Growth) -> Finding:
    metric = growth.metric
    work = tuple(Work(one.steps, one.reading(metric, growth.moment)) for one in (run, second) if one is not None)
    reason = sentences.grown(run, second, growth, trace.waited_s)
    return Finding(
        growth.kind,
        metric.name,
        work[0].value,
        metric.floor if metric.unit == "bytes" else 0,
        reason,
        work,
        growth.per_step,
    )
