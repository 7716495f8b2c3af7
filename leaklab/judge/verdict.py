"""Findings and verdict of one half: pure functions over the numbers of its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from leaklab.judge import sentences
from leaklab.judge.growth import STEADY_EVENTS, Growth, Shape, growth_of
from leaklab.judge.summary import MetricSummary
from leaklab.measure.trace import Outcome, Phase, Sample, Trace, points_of
from leaklab.metrics import MEMORY_FLOOR, METRICS, Judge, Metric


class FindingKind(StrEnum):
    """The kinds of findings."""

    LEAKED = "leaked"
    HELD = "held"
    WASTED = "wasted"
    STALLED = "stalled"


class Verdict(StrEnum):
    """The judgement on a half, by its findings."""

    LEAKS = "leaks"
    CLEAN = "clean"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in a trace.

    Attributes:
        kind: which kind of finding.
        metric: what was counted.
        value: the number that decided, in the metric's unit.
        threshold: the number it was compared with, in the metric's unit.
        reason: what was measured, in a sentence.
    """

    kind: FindingKind
    metric: str
    value: float
    threshold: float
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a half, the findings that decided it, and the doubts that kept it open."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The scenario's thresholds.

    Attributes:
        deadline_s: seconds within which the caller needs its answer; None without a deadline.
        hang_s: seconds after which the dead service answers; None if no service is dead.
        memory: bytes of RSS above the baseline that may be held at the last step, MEMORY_FLOOR at least; None without
            a budget.
        telling: the key metrics: without them there is no verdict.
        steps: the steps of the work, even if the half does not take its items one by one; None if it has none.
    """

    deadline_s: float | None = None
    hang_s: float | None = None
    memory: int | None = None
    telling: tuple[str, ...] = ()
    steps: int | None = None


IN_TIME = 1.3
"""An answer within this many deadlines is in time: a busy machine adds a little, a dead service much more."""

TOO_LATE = 2.0
"""An answer after this many deadlines is stalled; between the two there is no verdict."""

UNMISTAKABLE = 2.5
"""If the dead service answers after this many deadlines or more, an answer that waited for it is not noise."""

HELD_LEAST = {"threads": 33, "child_processes": 33}
"""Fewest things for a `held` finding: Python's ThreadPoolExecutor starts 32 threads at most by default (documentation
of concurrent.futures), and a pool of processes is as large as the machine has processors."""

HELD_AT_STEPS = 0.1
"""A buffer that is resident at more than this share of the steps is held. One that is made after the first item was
taken and freed before the second is resident at one step."""

LEAST_WASTE = 1 / 12
"""New connections per step below which none is wasted: a connection that serves a dozen requests is reused. One new
connection in ten steps is found."""

POOLED = ("open_sockets", "connections_opened")
"""Each thread of a pool has one of these: they come with the threads, not with the steps."""

EXACT_PEAKS = ("open_sockets", "open_cursors")
"""The services count these at every moment, not only when a sample is taken."""

PER_ITEM = 0.9
"""Things per step that were open at the same time although the samples at the steps did not show them: the items were
taken before the work was done, or everything was closed just before the last sample."""

UNSEEN = 0.1
"""Things per step by which there are more than at the last step: a plateau in the steps is a pool."""


def judge(trace: Trace, summary: Mapping[str, MetricSummary | None], bounds: Thresholds) -> Judgement:
    """The verdict on one run of a half."""
    findings: list[Finding] = []
    doubts: list[str] = []
    if trace.outcome is not Outcome.COMPLETED:
        doubts.append(f"the half did not complete: {trace.ending}")
    doubts += [sentences.unread(METRICS[name]) for name in bounds.telling if summary.get(name) is None]
    if bounds.deadline_s is not None:
        _judge_deadline(trace, bounds.deadline_s, findings, doubts)
    judged = {**summary, "open_fds": _other_descriptors(trace, summary)}
    if trace.outcome is Outcome.COMPLETED:
        judged = {name: metric and _over_all_steps(metric, bounds.steps) for name, metric in judged.items()}
    # Threads first: sockets and connections are compared with them.
    for name, metric in sorted(judged.items(), key=lambda item: item[0] != "threads"):
        if metric is None:
            continue
        match METRICS[name].judge:
            case Judge.LEFT_OPEN if trace.outcome is Outcome.COMPLETED:
                pool = _pool(summary, findings) if name in POOLED else 0
                deadline = bounds.deadline_s is not None
                _judge_left_open(trace, metric, findings, doubts, pool=pool, judged_by_deadline=deadline)
            case Judge.REUSE:
                pool = _pool(summary, findings)
                _judge_reuse(metric, summary.get("requests_served"), findings, doubts, pool=pool)
            case Judge.MEMORY:
                if bounds.memory is not None:
                    _judge_memory_budget(trace, metric, bounds.memory, findings, doubts)
                if trace.outcome is Outcome.COMPLETED and all(finding.metric != name for finding in findings):
                    _judge_memory(trace, metric, findings)
            case _:
                pass
    return _decide(findings, doubts)


def _over_all_steps(metric: MetricSummary, steps: int | None) -> MetricSummary:
    """The summary with its growth over all steps of the work, even if the half did not ask for each item."""
    if steps is None or METRICS[metric.metric.name].judge is Judge.DEADLINE:
        return metric
    growth = metric.growth or Growth(Shape.FLAT, 0.0, 0.0, 0, 0)
    return replace(metric, growth=replace(growth, steps=max(growth.steps, steps)))


def could_be_noise(trace: Trace, bounds: Thresholds) -> bool:
    """Whether a busy machine could be why an answer came late: then the half is run again."""
    deadline, hang, took = bounds.deadline_s, bounds.hang_s, trace.elapsed_s
    if deadline is None or trace.outcome is not Outcome.COMPLETED or took <= deadline * IN_TIME:
        return False
    waited_for_the_dead = hang is not None and hang >= deadline * UNMISTAKABLE and took >= hang
    return not waited_for_the_dead


def combine(judgements: Sequence[Judgement]) -> Judgement:
    """The verdict on several runs of the same half: their common one, or inconclusive if they disagree."""
    if len(judgements) == 1:
        return judgements[0]
    verdicts = Counter(judgement.verdict for judgement in judgements)
    if len(verdicts) == 1:
        return _common(judgements)
    counted = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.most_common())
    doubts = [doubt for judgement in judgements for doubt in judgement.doubts]
    disagree = f"{len(judgements)} runs disagree ({counted}); try a higher --repeat on a quieter machine"
    return Judgement(Verdict.INCONCLUSIVE, (), (disagree, *dict.fromkeys(doubts)))


def _common(judgements: Sequence[Judgement]) -> Judgement:
    """The first of several equal verdicts, with the findings that all runs share (if none: with all of its own)."""
    first = judgements[0]
    others = [{(finding.kind, finding.metric) for finding in judgement.findings} for judgement in judgements[1:]]
    common = tuple(f for f in first.findings if all((f.kind, f.metric) in found for found in others))
    return replace(first, findings=common or first.findings)


def _decide(findings: Sequence[Finding], doubts: Sequence[str]) -> Judgement:
    if findings:
        return Judgement(Verdict.LEAKS, tuple(findings), tuple(doubts))
    if doubts:
        return Judgement(Verdict.INCONCLUSIVE, (), tuple(doubts))
    return Judgement(Verdict.CLEAN)


def _pool(summary: Mapping[str, MetricSummary | None], findings: Sequence[Finding]) -> float:
    """How many threads the half had beyond those it started with; 0 if the threads themselves are a finding."""
    threads = summary.get("threads")
    if threads is None or threads.peak is None or threads.baseline is None:
        return 0
    return 0 if any(finding.metric == "threads" for finding in findings) else threads.peak - threads.baseline


def _other_descriptors(trace: Trace, summary: Mapping[str, MetricSummary | None]) -> MetricSummary | None:
    """The file descriptors that are not the lab's sockets: one leak is one finding."""
    sockets, descriptors = summary.get("open_sockets"), summary.get("open_fds")
    if sockets is None or descriptors is None:
        return descriptors

    def of_a_round(samples: Sequence[Sample]) -> list[tuple[int, float]]:
        of_sockets = dict(points_of(samples, "open_sockets"))
        all_of_them = points_of(samples, "open_fds")
        return [(step, value - of_sockets[step]) for step, value in all_of_them if step in of_sockets]

    points = trace.most_risen(of_a_round, descriptors.metric.least)

    def others(moment: str) -> float | None:
        all_of_them, its_sockets = getattr(descriptors, moment), getattr(sockets, moment)
        return None if all_of_them is None or its_sockets is None else all_of_them - its_sockets

    return MetricSummary(
        metric=descriptors.metric,
        baseline=others("baseline"),
        peak=None,
        end=others("end"),
        returned=others("returned"),
        collected=others("collected"),
        growth=growth_of(points) if len(points) > 1 else None,
    )


def _judge_left_open(
    trace: Trace,
    metric: MetricSummary,
    findings: list[Finding],
    doubts: list[str],
    *,
    pool: float,
    judged_by_deadline: bool,
) -> None:
    """`leaked` if what grew with the steps survived return and gc, `held` if it grew and return undid it."""
    if metric.baseline is None or metric.collected is None:
        return
    growth, counted = metric.growth, metric.metric
    left = metric.collected - metric.baseline
    waited = trace.waited_s
    if growth is None or growth.steps == 0:
        if left > 0 and not judged_by_deadline:
            doubts.append(sentences.left_open(counted, left, waited, sentences.WITHOUT_STEPS))
        return
    steady = growth.shape is Shape.STEADY
    most = 0.0 if metric.peak is None else metric.peak - metric.baseline
    survived = left > 0 and steady and left >= growth.total / 2
    if (survived and left > pool) or (not steady and _one_per_item(metric, growth, left)):
        findings.append(_leaked(counted, left, growth, waited))
    elif survived:
        but = f"there are as many threads in a pool; {sentences.more(growth.steps)}"
        doubts.append(sentences.left_open(counted, left, waited, but))
    elif steady and growth.total >= HELD_LEAST.get(counted.name, STEADY_EVENTS):
        if growth.total > pool:
            pace = sentences.pace(growth.per_step, one_a_step=growth.one_a_step)
            findings.append(_held(counted, growth.total, left, pace))
    elif not steady and counted.name in EXACT_PEAKS and _one_per_item(metric, growth, most):
        if most > pool:
            findings.append(_held(counted, most, left, None))
    # The calling thread has one too, as each thread of the pool.
    elif left > pool + (1 if pool else 0):
        if growth.shape is Shape.UNCLEAR:
            doubts.append(sentences.left_open(counted, left, waited, sentences.few_rises(growth.events, growth.steps)))
        elif left > growth.total and left >= max(STEADY_EVENTS, growth.steps / 10):
            but = f"only {growth.total:,.0f} of them opened during the steps; {sentences.more(growth.steps)}"
            doubts.append(sentences.left_open(counted, left, waited, but))


def _one_per_item(metric: MetricSummary, growth: Growth, there: float) -> bool:
    """Whether there is about one for each item of the work, and a good part of it appeared only after the last step."""
    seen = 0.0 if metric.end is None else max(0.0, metric.end - (metric.baseline or 0))
    unseen = max(STEADY_EVENTS, UNSEEN * growth.steps)
    return there >= max(STEADY_EVENTS, PER_ITEM * growth.steps) and there - seen >= unseen


def _held(metric: Metric, most: float, left: float, pace: str | None) -> Finding:
    return Finding(FindingKind.HELD, metric.name, most, 0, sentences.held(metric, most, left, pace))


def _leaked(metric: Metric, left: float, growth: Growth, waited_s: float) -> Finding:
    one_a_step = growth.one_a_step and left == growth.steps
    when = ", rising to the last step" if growth.shape is Shape.STEADY else sentences.LATE
    pace = sentences.pace(left / growth.steps, one_a_step=one_a_step, when=when)
    return Finding(FindingKind.LEAKED, metric.name, left, 0, sentences.leaked(metric, left, pace, waited_s))


def _judge_reuse(
    metric: MetricSummary, requests: MetricSummary | None, findings: list[Finding], doubts: list[str], *, pool: float
) -> None:
    """`wasted` if connections are opened at a steady pace: a connection that is returned serves the next request."""
    growth = metric.growth
    if growth is None or metric.peak is None or metric.peak <= pool:
        return
    steady = growth.shape is Shape.STEADY and growth.pace >= LEAST_WASTE
    if steady or (growth.steps > 0 and _one_per_item(metric, growth, metric.peak)):
        served = None if requests is None else requests.peak
        reason = sentences.wasted(metric.metric, metric.peak, served, growth.steps, rising=steady)
        findings.append(Finding(FindingKind.WASTED, metric.metric.name, metric.peak, growth.by_half, reason))
    elif growth.shape is Shape.UNCLEAR and (growth.events >= STEADY_EVENTS or growth.events == growth.steps > 1):
        doubts.append(sentences.uneven(metric.metric, metric.peak, growth.steps))


def _judge_memory_budget(
    trace: Trace, metric: MetricSummary, budget: int, findings: list[Finding], doubts: list[str]
) -> None:
    """`held` (or `leaked`) if more than the scenario's budget is still resident at the last step (or in the end)."""
    if metric.baseline is None:
        return
    if metric.end is None:
        if trace.outcome is Outcome.COMPLETED and (metric.peak or 0) - metric.baseline > budget:
            doubts.append(sentences.NO_ITEM_TAKEN)
        return
    at_steps = sorted((value for _, value in trace.step_points("rss")), reverse=True)
    # At the last step, or at many steps: freeing it just before the last sample does not hide it.
    held_at = at_steps[int(len(at_steps) * HELD_AT_STEPS)]
    held = max(metric.end, held_at) - metric.baseline
    left = None if metric.collected is None else metric.collected - metric.baseline
    survived = left is not None and left > budget
    if held > budget:
        when = "at the last step" if metric.end >= held_at else f"at one step in {1 / HELD_AT_STEPS:.0f} or more"
        reason = sentences.over_budget(held, left, budget, when=when, survived=survived)
        kind = FindingKind.LEAKED if survived else FindingKind.HELD
        findings.append(Finding(kind, metric.metric.name, held, budget, reason))
    elif left is not None and survived:
        reason = sentences.over_budget(left, None, budget, when="after run() returned", survived=False)
        findings.append(Finding(FindingKind.LEAKED, metric.metric.name, left, budget, reason))
    elif _came_after_the_steps(trace, metric.baseline + budget):
        doubts.append(sentences.AFTER_THE_STEPS)


def _judge_memory(trace: Trace, metric: MetricSummary, findings: list[Finding]) -> None:
    """`leaked` or `held` if RSS grows to the last step by more than the floor."""
    growth = metric.growth
    if growth is None or growth.shape is not Shape.STEADY or growth.total < MEMORY_FLOOR:
        return
    if metric.baseline is None or metric.collected is None:
        return
    left = metric.collected - metric.baseline
    survived = left >= growth.total / 2
    kind = FindingKind.LEAKED if survived else FindingKind.HELD
    reason = sentences.grown(growth.total, left, growth.per_step, trace.steps, survived=survived)
    findings.append(Finding(kind, metric.metric.name, growth.total, MEMORY_FLOOR, reason))


def _judge_deadline(trace: Trace, deadline: float, findings: list[Finding], doubts: list[str]) -> None:
    """`stalled` if the answer came long after the deadline, or abandoned work went on long after it."""
    threshold = deadline * TOO_LATE
    took = trace.elapsed_s
    if took >= threshold:
        reason = sentences.late(took, deadline, trace.looks, answered=trace.outcome is Outcome.COMPLETED)
        findings.append(Finding(FindingKind.STALLED, "elapsed", took, threshold, reason))
        return
    if took > deadline * IN_TIME:
        doubts.append(sentences.maybe_late(took, deadline, threshold, trace.looks))
    abandoned = (_abandoned(trace, name, threshold) for name in ("threads", "child_processes", "open_sockets"))
    findings += [finding for finding in abandoned if finding is not None]


def _abandoned(trace: Trace, name: str, threshold: float) -> Finding | None:
    """What of `name` was left in the first sample after the threshold, or else in the last sample of all."""
    baseline = trace.value(name, Phase.BASELINE)
    settling = [sample for sample in trace.samples if sample.phase in (Phase.SETTLING, Phase.COLLECTED)]
    late = [sample for sample in settling if sample.at_s >= threshold] or settling[-1:]
    if baseline is None or not late:
        return None
    left = (late[0].get(name) or 0) - baseline
    # Threads of a pool and connections kept for the next call stay once their work is done or cancelled.
    due = [sample.answers_due for sample in late if sample.answers_due is not None]
    if due:
        left = min(left, max(due))
    if left <= 0:
        return None
    reason = sentences.abandoned(METRICS[name], left, late[0].at_s, trace.elapsed_s)
    return Finding(FindingKind.STALLED, name, left, 0, reason)


def _came_after_the_steps(trace: Trace, limit: float) -> bool:
    """Whether more than `limit` bytes were resident only after the last step, by the samples taken on the clock."""
    phases = [sample.phase for sample in trace.samples]
    if Phase.END not in phases:
        return False
    end = len(phases) - 1 - phases[::-1].index(Phase.END)
    before, after = trace.samples[:end], trace.samples[end:]
    return max((s.get("rss") or 0 for s in before), default=0) <= limit < max((s.get("rss") or 0) for s in after)
