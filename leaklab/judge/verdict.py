"""Findings and verdict of one half: pure functions over the numbers of its trace."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from leaklab.judge import sentences
from leaklab.judge.growth import STEADY_EVENTS, Growth, Shape, growth_of
from leaklab.judge.summary import MetricSummary
from leaklab.measure.trace import Outcome, Phase, Points, Sample, Trace, points_of
from leaklab.metrics import ELAPSED, MEMORY_FLOOR, METRICS, Judge, Metric

Quantity = Annotated[float, Meta(ge=0)]
Words = Annotated[str, Meta(min_length=1)]
MetricName = Annotated[str, Meta(description="What is counted.", extra_json_schema={"enum": [*METRICS]})]


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


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """What was found.

    leaked: survives return and gc. held: until `run` returns. wasted: not reused. stalled: past its deadline.
    """

    kind: FindingKind
    metric: MetricName
    value: Annotated[float, Meta(description="The number that decided, in the metric's unit.")]
    threshold: Annotated[Quantity, Meta(description="The number it was compared with, in the metric's unit.")]
    reason: Annotated[Words, Meta(description="Both in words.")]


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
        memory: bytes of RSS above the baseline that may be held at the last step (MEMORY_FLOOR or more), or None.
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

HELD_AT_STEPS = 0.1
"""A buffer that is resident at more than this share of the steps is held. One that is made after the first item was
taken and freed before the second is resident at one step."""

LEAST_WASTE = 1 / 12
"""New connections per step below which none is wasted: a connection that serves a dozen requests is reused. One new
connection in ten steps is found."""

PER_ITEM = 0.9
"""Things per step that were open at the same time although the samples at the steps did not show them: the items were
taken before the work was done, or everything was closed just before the last sample."""

UNSEEN = 0.1
"""Things per step by which there are more than at the last step: a plateau in the steps is a pool."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What is judged: one run of a half; and what has been found so far."""

    trace: Trace
    bounds: Thresholds
    findings: list[Finding] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def completed(self) -> bool:
        return self.trace.outcome is Outcome.COMPLETED

    def found(self, metric: Metric) -> bool:
        return any(finding.metric == metric.name for finding in self.findings)

    def find(self, kind: FindingKind, metric: Metric, value: float, threshold: float, reason: str) -> None:
        self.findings.append(Finding(kind, metric.name, value, threshold, reason))


def judge(trace: Trace, summary: Mapping[str, MetricSummary | None], bounds: Thresholds) -> Judgement:
    """The verdict on one run of a half."""
    run = _Case(trace, bounds)
    if not run.completed:
        run.doubts.append(f"the half did not complete: {trace.ending}")
    run.doubts.extend(sentences.unread(METRICS[name]) for name in bounds.telling if summary.get(name) is None)
    if bounds.deadline_s is not None:
        _judge_deadline(run, bounds.deadline_s)
    judged = dict(summary)
    for part in filter(None, summary.values()):
        if whole := summary.get(part.metric.part_of or ""):
            judged[whole.metric.name] = _without_part(trace, whole, part)
    # Threads first: sockets and connections are compared with them.
    pooling = {metric.pooled_with for metric in METRICS.values()}
    for read in sorted(filter(None, judged.values()), key=lambda read: read.metric.name not in pooling):
        metric = _over_all_steps(read, bounds.steps) if run.completed else read
        match metric.metric.judge:
            case Judge.LEFT_OPEN if run.completed:
                _judge_left_open(run, metric, _pool(run, metric.metric, summary))
            case Judge.REUSE:
                requests = summary.get(metric.metric.serves or "")
                _judge_reuse(run, metric, requests, _pool(run, metric.metric, summary))
            case Judge.MEMORY:
                if bounds.memory is not None:
                    _judge_memory_budget(run, metric, bounds.memory)
                if run.completed and not run.found(metric.metric):
                    _judge_memory(run, metric)
    if run.findings:
        return Judgement(Verdict.LEAKS, tuple(run.findings), tuple(run.doubts))
    return Judgement(Verdict.INCONCLUSIVE if run.doubts else Verdict.CLEAN, (), tuple(run.doubts))


def _over_all_steps(metric: MetricSummary, steps: int | None) -> MetricSummary:
    """The summary with its growth over all steps of the work, even if the half did not ask for each item."""
    if steps is None or metric.metric.judge is Judge.DEADLINE:
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


def _pool(run: _Case, metric: Metric, summary: Mapping[str, MetricSummary | None]) -> float:
    """How many threads, which have one each, the half had beyond those at its start; 0 if they are a finding."""
    threads = summary.get(metric.pooled_with or "")
    if threads is None or threads.peak is None or threads.baseline is None or run.found(threads.metric):
        return 0
    return threads.peak - threads.baseline


def _without_part(trace: Trace, whole: MetricSummary, part: MetricSummary) -> MetricSummary:
    """What is counted by `whole` alone, as file descriptors that are not sockets: one leak is one finding."""

    def of_a_round(samples: Sequence[Sample]) -> Points:
        of_part = dict(points_of(samples, part.metric.name))
        of_whole = points_of(samples, whole.metric.name)
        return [(step, value - of_part[step]) for step, value in of_whole if step in of_part]

    def less(moment: str) -> float | None:
        of_whole, of_part = getattr(whole, moment), getattr(part, moment)
        return None if of_whole is None or of_part is None else of_whole - of_part

    points = of_a_round([sample for sample in trace.samples if sample.phase in (Phase.STEP, Phase.END)])
    growth = growth_of(points) if len(points) > 1 else None
    baseline, end, returned, collected = (less(moment) for moment in ("baseline", "end", "returned", "collected"))
    return MetricSummary(whole.metric, baseline, None, end, returned, collected, growth)


def _judge_left_open(run: _Case, metric: MetricSummary, pool: float) -> None:
    """`leaked` if what grew with the steps survived return and gc, `held` if it grew and return undid it."""
    if metric.baseline is None or metric.collected is None:
        return
    growth, counted, waited = metric.growth, metric.metric, run.trace.waited_s
    left = metric.collected - metric.baseline
    if growth is None or growth.steps == 0:
        if left > 0 and run.bounds.deadline_s is None:
            run.doubts.append(sentences.left_open(counted, left, waited, sentences.WITHOUT_STEPS))
        return
    steady = growth.shape is Shape.STEADY
    most = growth.total if steady else 0.0 if metric.peak is None else metric.peak - metric.baseline
    survived = left > 0 and steady and left >= growth.total / 2
    if steady:
        many = growth.total >= STEADY_EVENTS and growth.total > counted.pool_size
    else:
        many = counted.exact_peak and _one_per_item(metric, growth, most)
    but = None
    if (survived and left > pool) or (not steady and _one_per_item(metric, growth, left)):
        one_a_step = growth.one_a_step and left == growth.steps
        when = ", rising to the last step" if steady else sentences.LATE
        pace = sentences.pace(left / growth.steps, one_a_step=one_a_step, when=when)
        run.find(FindingKind.LEAKED, counted, left, 0, sentences.leaked(counted, left, pace, waited))
    elif survived:
        but = f"there are as many threads in a pool; {sentences.more(growth.steps)}"
    elif many and most > pool:
        steadily = sentences.pace(growth.per_step, one_a_step=growth.one_a_step) if steady else None
        run.find(FindingKind.HELD, counted, most, 0, sentences.held(counted, most, left, steadily))
    # The calling thread has one too, as each thread of the pool.
    elif not many and left > pool + (1 if pool else 0):
        if growth.shape is Shape.UNCLEAR:
            but = sentences.few_rises(growth.events, growth.steps)
        elif left > growth.total and left >= max(STEADY_EVENTS, growth.steps / 10):
            but = f"only {growth.total:,.0f} of them opened during the steps; {sentences.more(growth.steps)}"
    if but is not None:
        run.doubts.append(sentences.left_open(counted, left, waited, but))


def _one_per_item(metric: MetricSummary, growth: Growth, there: float) -> bool:
    """Whether there is about one for each item of the work, and a good part of it appeared only after the last step."""
    seen = 0.0 if metric.end is None else max(0.0, metric.end - (metric.baseline or 0))
    unseen = max(STEADY_EVENTS, UNSEEN * growth.steps)
    return there >= max(STEADY_EVENTS, PER_ITEM * growth.steps) and there - seen >= unseen


def _judge_reuse(run: _Case, metric: MetricSummary, requests: MetricSummary | None, pool: float) -> None:
    """`wasted` if connections are opened at a steady pace: a connection that is returned serves the next request."""
    growth, opened = metric.growth, metric.peak
    if growth is None or opened is None or opened <= pool:
        return
    steady = growth.shape is Shape.STEADY and growth.pace >= LEAST_WASTE
    if steady or (growth.steps > 0 and _one_per_item(metric, growth, opened)):
        served = None if requests is None else requests.peak
        reason = sentences.wasted(metric.metric, opened, served, growth.steps, rising=steady)
        run.find(FindingKind.WASTED, metric.metric, opened, growth.by_half, reason)
    elif growth.shape is Shape.UNCLEAR and (growth.events >= STEADY_EVENTS or growth.events == growth.steps > 1):
        run.doubts.append(sentences.uneven(metric.metric, opened, growth.steps))


def _judge_memory_budget(run: _Case, metric: MetricSummary, budget: int) -> None:
    """`held` (or `leaked`) if more than the scenario's budget is still resident at the last step (or in the end)."""
    counted = metric.metric
    if metric.baseline is None:
        return
    if metric.end is None:
        if run.completed and (metric.peak or 0) - metric.baseline > budget:
            run.doubts.append(sentences.NO_ITEM_TAKEN)
        return
    at_steps = sorted((value for _, value in run.trace.step_points(counted.name)), reverse=True)
    # At the last step, or at many steps: freeing it just before the last sample does not hide it.
    held_at = at_steps[int(len(at_steps) * HELD_AT_STEPS)]
    held = max(metric.end, held_at) - metric.baseline
    left = None if metric.collected is None else metric.collected - metric.baseline
    survived = left is not None and left > budget
    if held > budget:
        when = "at the last step" if metric.end >= held_at else f"at one step in {1 / HELD_AT_STEPS:.0f} or more"
        reason = sentences.over_budget(held, left, budget, when=when, survived=survived)
        run.find(FindingKind.LEAKED if survived else FindingKind.HELD, counted, held, budget, reason)
    elif left is not None and survived:
        reason = sentences.over_budget(left, None, budget, when="after run() returned", survived=False)
        run.find(FindingKind.LEAKED, counted, left, budget, reason)
    elif _came_after_the_steps(run.trace, counted, metric.baseline + budget):
        run.doubts.append(sentences.AFTER_THE_STEPS)


def _judge_memory(run: _Case, metric: MetricSummary) -> None:
    """`leaked` or `held` if RSS grows to the last step by more than the floor."""
    growth = metric.growth
    if growth is None or metric.baseline is None or metric.collected is None:
        return
    if growth.shape is not Shape.STEADY or growth.total < MEMORY_FLOOR:
        return
    left = metric.collected - metric.baseline
    survived = left >= growth.total / 2
    reason = sentences.grown(growth.total, left, growth.per_step, run.trace.steps, survived=survived)
    kind = FindingKind.LEAKED if survived else FindingKind.HELD
    run.find(kind, metric.metric, growth.total, MEMORY_FLOOR, reason)


def _judge_deadline(run: _Case, deadline: float) -> None:
    """`stalled` if the answer came long after the deadline, or abandoned work went on long after it."""
    threshold, took, looks = deadline * TOO_LATE, run.trace.elapsed_s, run.trace.looks
    if took >= threshold:
        reason = sentences.late(took, deadline, looks, answered=run.completed)
        run.find(FindingKind.STALLED, ELAPSED, took, threshold, reason)
        return
    if took > deadline * IN_TIME:
        run.doubts.append(sentences.maybe_late(took, deadline, threshold, looks))
    # Threads and processes first, then what they have open.
    for metric in sorted(METRICS.values(), key=lambda metric: not metric.runs):
        if metric.abandoned:
            _judge_abandoned(run, metric, threshold)


def _judge_abandoned(run: _Case, metric: Metric, threshold: float) -> None:
    """`stalled` if there is more of it in the first sample after the threshold, or else in the last sample of all."""
    baseline = run.trace.value(metric.name, Phase.BASELINE)
    settling = [sample for sample in run.trace.samples if sample.phase in (Phase.SETTLING, Phase.COLLECTED)]
    late = [sample for sample in settling if sample.at_s >= threshold] or settling[-1:]
    if baseline is None or not late:
        return
    left = (late[0].get(metric.name) or 0) - baseline
    # Threads of a pool and connections kept for the next call stay once their work is done or cancelled.
    due = [sample.answers_due for sample in late if sample.answers_due is not None]
    left = min(left, max(due)) if due else left
    if left > 0:
        reason = sentences.abandoned(metric, left, late[0].at_s, run.trace.elapsed_s)
        run.find(FindingKind.STALLED, metric, left, 0, reason)


def _came_after_the_steps(trace: Trace, metric: Metric, limit: float) -> bool:
    """Whether more than `limit` bytes were resident only after the last step, by the samples taken on the clock."""
    ends = [index for index, sample in enumerate(trace.samples) if sample.phase is Phase.END]
    if not ends:
        return False
    resident = [sample.get(metric.name) or 0 for sample in trace.samples]
    return max(resident[: ends[-1]], default=0) <= limit < max(resident[ends[-1] :])
