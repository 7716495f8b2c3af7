"""Findings and verdict of one half: pure functions over the numbers of its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from leaklab.judge.growth import STEADY_EVENTS, Growth, Shape, growth_of
from leaklab.judge.summary import MetricSummary
from leaklab.measure.trace import Outcome, Phase, Sample, Trace, points_of
from leaklab.metrics import MEMORY_FLOOR, METRICS, Judge
from leaklab.units import format_duration, format_size


class FindingKind(StrEnum):
    """What a trace can show."""

    LEAKED = "leaked"
    HELD = "held"
    WASTED = "wasted"
    STALLED = "stalled"


class Verdict(StrEnum):
    """What a half is, by its findings."""

    LEAKS = "leaks"
    CLEAN = "clean"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a trace shows.

    Attributes:
        kind: what it is.
        metric: what was counted.
        value: the number that decided, in the metric's unit.
        threshold: the number it was held against, in the metric's unit.
        reason: both in words.
    """

    kind: FindingKind
    metric: str
    value: float
    threshold: float
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a half, the findings that decided it, and the doubts that kept it from a decision."""

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a scenario says is too much.

    Attributes:
        deadline_s: seconds within which the caller needs its answer; None for no deadline.
        hang_s: seconds after which the dead service answers; None where there is none.
        telling: the metrics that must be known for a verdict.
        steps: the steps that the work has, whether or not the half takes its items one by one; None where it has none.
        memory: bytes of RSS above the baseline that may be held at the last step, MEMORY_FLOOR at least; None for no
            budget.
    """

    deadline_s: float | None = None
    hang_s: float | None = None
    memory: int | None = None
    telling: tuple[str, ...] = ()
    steps: int | None = None


IN_TIME = 1.3
"""An answer within this many deadlines is in time: a busy machine adds some, a dead service adds much more."""

TOO_LATE = 2.0
"""An answer after this many deadlines is stalled; between the two, no verdict."""

UNMISTAKABLE = 2.5
"""A dead service that answers after this many deadlines or more: who waits for it is late by itself, and not by the
machine."""

HELD_LEAST = {"threads": 33, "child_processes": 33}
"""Things open at once below which growth that return undoes is no finding: 32 is the most threads that Python's
ThreadPoolExecutor starts unless it is told otherwise (documentation of concurrent.futures), and a pool of processes is
as large as the machine has processors."""

HELD_AT_STEPS = 0.1
"""A buffer that is resident at more than this share of the steps is held: whoever makes it when the first item was
taken already, and lets it go before the second, has it at one."""

LEAST_WASTE = 1 / 12
"""New connections per step below which they are no waste: whoever renews a connection after a dozen requests or more
uses it. One in ten is found."""

MORE_STEPS = "more steps would tell (--steps)"


POOLED = ("open_sockets", "connections_opened")
"""What each thread of a pool has one of: it comes when the thread does, and not with the steps."""

EXACT_PEAKS = ("open_sockets", "open_cursors")
"""What the services count at every moment, and not only when a sample is taken."""

ALL_AT_ONCE = 0.9
"""Things open at once, per step, that the readings at the steps did not show: the items were taken before the work was
done, or all was closed just before the last reading."""

UNSEEN = 0.1
"""Things per step by which there are more than the last step showed: what a step showed to come to rest is a pool."""


def judge(trace: Trace, summary: Mapping[str, MetricSummary | None], bounds: Thresholds) -> Judgement:
    """The verdict on one run of a half."""
    findings: list[Finding] = []
    doubts: list[str] = []
    if trace.outcome is not Outcome.COMPLETED:
        doubts.append(f"the half did not complete: {trace.ending}")
    doubts += [
        f"{METRICS[name].label} could not be read: leaklab doctor tells what the system lets it see"
        for name in bounds.telling
        if summary.get(name) is None
    ]
    if bounds.deadline_s is not None:
        _judge_deadline(trace, bounds.deadline_s, findings, doubts)
    judged = {**summary, "open_fds": _other_descriptors(trace, summary)}
    if trace.outcome is Outcome.COMPLETED:
        judged = {name: metric and _over_all_steps(metric, bounds.steps) for name, metric in judged.items()}
    # Threads first: sockets and connections are held against them.
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
    """The same, its growth over as many steps as the work has: a half may do it without asking for each item."""
    if steps is None or METRICS[metric.metric.name].judge is Judge.DEADLINE:
        return metric
    growth = metric.growth or Growth(Shape.FLAT, 0.0, 0.0, 0, 0)
    return replace(metric, growth=replace(growth, steps=max(growth.steps, steps)))


def may_be_the_machine(trace: Trace, bounds: Thresholds) -> bool:
    """Whether an answer came late, and a busy machine may be why: then the half is worth another look."""
    deadline, hang, took = bounds.deadline_s, bounds.hang_s, trace.elapsed_s
    if deadline is None or trace.outcome is not Outcome.COMPLETED or took <= deadline * IN_TIME:
        return False
    waited_for_the_dead = hang is not None and hang >= deadline * UNMISTAKABLE and took >= hang
    return not waited_for_the_dead


def combine(judgements: Sequence[Judgement]) -> Judgement:
    """The verdict over several runs of the same half: what all of them say, or inconclusive if they disagree."""
    if len(judgements) == 1:
        return judgements[0]
    verdicts = Counter(judgement.verdict for judgement in judgements)
    if len(verdicts) == 1:
        return _common(judgements)
    counted = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.most_common())
    doubts = [doubt for judgement in judgements for doubt in judgement.doubts]
    disagree = f"{len(judgements)} runs disagree ({counted}): repeat more often on a quieter machine (--repeat)"
    return Judgement(Verdict.INCONCLUSIVE, (), (disagree, *dict.fromkeys(doubts)))


def _common(judgements: Sequence[Judgement]) -> Judgement:
    """The first of several alike; of its findings those that every run has, or all if there is none that every has."""
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
    """How many threads the half had beside those it started with; 0 where its threads are found to leak themselves."""
    threads = summary.get("threads")
    if threads is None or threads.peak is None or threads.baseline is None:
        return 0
    return 0 if any(finding.metric == "threads" for finding in findings) else threads.peak - threads.baseline


def _other_descriptors(trace: Trace, summary: Mapping[str, MetricSummary | None]) -> MetricSummary | None:
    """The descriptors that are not the lab's sockets: one leak is told once."""
    sockets, descriptors = summary.get("open_sockets"), summary.get("open_fds")
    if sockets is None or descriptors is None:
        return descriptors

    def of_a_pass(samples: Sequence[Sample]) -> list[tuple[int, float]]:
        of_sockets = dict(points_of(samples, "open_sockets"))
        all_of_them = points_of(samples, "open_fds")
        return [(step, value - of_sockets[step]) for step, value in all_of_them if step in of_sockets]

    points = trace.most_risen(of_a_pass, descriptors.metric.least)

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
    waited = f" (looked again for {format_duration(trace.waited_s)})" if trace.waited_s >= 0.01 else ""
    over = f"{counted.quantity(left)} left over after return and gc{waited}"
    if growth is None or growth.steps == 0:
        if left > 0 and not judged_by_deadline:
            doubts.append(f"{over}, but without steps no growth can be told from a pool")
        return
    steady = growth.shape is Shape.STEADY
    most = 0.0 if metric.peak is None else metric.peak - metric.baseline
    survived = left > 0 and steady and left >= growth.total / 2
    if (survived and left > pool) or (not steady and _all_at_once(metric, growth, left)):
        findings.append(_leaked(metric, left, growth, waited))
    elif survived:
        doubts.append(f"{over}, as many as it has threads in a pool: {MORE_STEPS}")
    elif steady and growth.total >= HELD_LEAST.get(counted.name, STEADY_EVENTS):
        if growth.total > pool:
            findings.append(_held(metric, growth.total, f"{growth.per_step:.2f} per step, growing to the end", left))
    elif not steady and counted.name in EXACT_PEAKS and _all_at_once(metric, growth, most):
        if most > pool:
            findings.append(_held(metric, most, "at once, though no step shows it", left))
    # The thread that calls has one, too, where others have.
    elif left > pool + (1 if pool else 0):
        doubts.extend(_left_in_doubt(growth, left, over))


def _all_at_once(metric: MetricSummary, growth: Growth, there: float) -> bool:
    """Whether so much is there as the work asks for, item by item, and a good part of it only after the last step."""
    seen = 0.0 if metric.end is None else max(0.0, metric.end - (metric.baseline or 0))
    unseen = max(STEADY_EVENTS, UNSEEN * growth.steps)
    return there >= max(STEADY_EVENTS, ALL_AT_ONCE * growth.steps) and there - seen >= unseen


def _left_in_doubt(growth: Growth, left: float, over: str) -> list[str]:
    """Why what is left over is not judged, if it may be a leak."""
    if growth.shape is Shape.UNCLEAR:
        rises = "rise" if growth.events == 1 else "rises"
        steps = f"{growth.steps:,} step{'s' if growth.steps != 1 else ''}"
        few = f"{growth.events} {rises} in {steps}: too little to tell a leak from a pool"
        return [f"{over}, but {few}: {MORE_STEPS}"]
    if left > growth.total and left >= max(STEADY_EVENTS, growth.steps / 10):
        return [f"{over}, {growth.total:,.0f} of them opened while steps were counted: {MORE_STEPS}"]
    return []


def _held(metric: MetricSummary, held: float, how: str, left: float) -> Finding:
    counted, steps = metric.metric, 0 if metric.growth is None else metric.growth.steps
    return Finding(
        FindingKind.HELD,
        counted.name,
        held,
        0,
        f"{counted.quantity(held)} open at the last of {steps:,} steps ({how}), {counted.format(max(0, left))} after "
        "return: closing waits for the function to return",
    )


def _leaked(metric: MetricSummary, left: float, growth: Growth, waited: str) -> Finding:
    counted, steps = metric.metric, growth.steps
    if growth.one_a_step and left == steps:
        words = f"{counted.format(left)} of {steps:,} steps left one {counted.singular} open after return and gc"
    else:
        when = "growing to the last step" if growth.shape is Shape.STEADY else "many of them opened after the last step"
        words = f"{counted.quantity(left)} left open after return and gc, {left / steps:.2f} per step, {when}"
    return Finding(FindingKind.LEAKED, counted.name, left, 0, words + waited)


def _judge_reuse(
    metric: MetricSummary,
    requests: MetricSummary | None,
    findings: list[Finding],
    doubts: list[str],
    *,
    pool: float,
) -> None:
    """`wasted` if connections are opened at a steady pace: a connection that is given back serves the next request."""
    growth = metric.growth
    if growth is None or metric.peak is None or metric.peak <= pool:
        return
    steady = growth.shape is Shape.STEADY and growth.pace >= LEAST_WASTE
    if steady or (growth.steps > 0 and _all_at_once(metric, growth, metric.peak)):
        served = requests.peak if requests and requests.peak else None
        words = f" for {requests.metric.quantity(served)}" if requests and served else ""
        again = "they are not used again for long"
        if served and metric.peak >= 0.9 * served:
            again = "none is used again" if metric.peak >= served else "hardly any is used again"
        by_half = metric.metric.format(growth.by_half)
        when = f"{by_half} by half of the steps and still rising" if steady else "many of them after the last step"
        findings.append(
            Finding(
                FindingKind.WASTED,
                metric.metric.name,
                metric.peak,
                growth.by_half,
                f"{metric.metric.quantity(metric.peak)} opened{words} ({metric.peak / growth.steps:.2f} per step), "
                f"{when}: {again}",
            )
        )
    elif growth.shape is Shape.UNCLEAR and (growth.events >= STEADY_EVENTS or growth.events == growth.steps > 1):
        doubts.append(
            f"{metric.metric.quantity(metric.peak)} opened in {growth.steps:,} steps, neither at an even pace nor at "
            f"rest: {MORE_STEPS}"
        )


def _judge_memory_budget(
    trace: Trace, metric: MetricSummary, budget: int, findings: list[Finding], doubts: list[str]
) -> None:
    """`held` (or `leaked`) if more than the scenario's budget is still resident at the last step (or in the end)."""
    if metric.baseline is None:
        return
    if metric.end is None:
        if trace.outcome is Outcome.COMPLETED and (metric.peak or 0) - metric.baseline > budget:
            doubts.append("no item was taken, so that no step shows whether the buffer was kept: take them one by one")
        return
    at_steps = sorted((value for _, value in trace.step_points("rss")), reverse=True)
    # At the last step, or at many steps: what is let go just before the last reading was held all the same.
    held_at = at_steps[int(len(at_steps) * HELD_AT_STEPS)]
    held = max(metric.end, held_at) - metric.baseline
    left = 0.0 if metric.collected is None else metric.collected - metric.baseline
    if held > budget:
        when = "at the last step" if metric.end >= held_at else f"at one step in {1 / HELD_AT_STEPS:.0f} or more"
        kind = FindingKind.LEAKED if left > budget else FindingKind.HELD
        after = "still there" if kind is FindingKind.LEAKED else f"down to {format_size(max(0.0, left))}"
        findings.append(
            Finding(
                kind,
                metric.metric.name,
                held,
                budget,
                f"{format_size(held)} above the baseline still resident {when} (more than "
                f"{format_size(budget)} is too much), {after} after return",
            )
        )
    elif left > budget:
        findings.append(
            Finding(
                FindingKind.LEAKED,
                metric.metric.name,
                left,
                budget,
                f"{format_size(left)} above the baseline still resident after return and gc (more than "
                f"{format_size(budget)} is too much)",
            )
        )
    elif _came_after_the_steps(trace, metric.baseline + budget):
        doubts.append(
            "the buffer came after the last step, so that no step shows whether it was kept: do the work in order"
        )


def _judge_memory(trace: Trace, metric: MetricSummary, findings: list[Finding]) -> None:
    """`leaked` or `held` if RSS grows to the last step by more than the floor."""
    growth = metric.growth
    if growth is None or growth.shape is not Shape.STEADY or growth.total < MEMORY_FLOOR:
        return
    if metric.baseline is None or metric.collected is None:
        return
    left = metric.collected - metric.baseline
    survived = left >= growth.total / 2
    after = "still there after return and gc" if survived else f"{format_size(max(0.0, left))} after return and gc"
    findings.append(
        Finding(
            FindingKind.LEAKED if survived else FindingKind.HELD,
            metric.metric.name,
            growth.total,
            MEMORY_FLOOR,
            f"{format_size(growth.total)} more at the last of {trace.steps:,} steps "
            f"({format_size(growth.per_step)} per step, growing to the end; below {format_size(MEMORY_FLOOR)} "
            f"nothing is judged), {after}",
        )
    )


def _judge_deadline(trace: Trace, deadline: float, findings: list[Finding], doubts: list[str]) -> None:
    """`stalled` if the answer came long after the deadline, or work that was given up went on long after it."""
    threshold = deadline * TOO_LATE
    took = trace.elapsed_s
    looks = f", in the shortest of {trace.looks} runs" if trace.looks > 1 else ""
    if took >= threshold:
        findings.append(
            Finding(
                FindingKind.STALLED,
                "elapsed",
                took,
                threshold,
                f"{format_duration(took)} for an answer that was needed within {format_duration(deadline)} "
                f"({format_duration(threshold)} or more is stalled){looks}",
            )
        )
        return
    if took > deadline * IN_TIME:
        doubts.append(
            f"{format_duration(took)} for an answer that was needed within {format_duration(deadline)}{looks}: too "
            f"late to be clean, too early to be stalled ({format_duration(threshold)}). Is the machine busy? "
            "--repeat tells"
        )
    for name in ("threads", "child_processes", "open_sockets"):
        over = _still_there(trace, name, threshold)
        if over is not None:
            findings.append(over)


def _still_there(trace: Trace, name: str, threshold: float) -> Finding | None:
    """What of `name` was left at the first look after the threshold, or else at the last look of all."""
    baseline = trace.value(name, Phase.BASELINE)
    looks = [sample for sample in trace.samples if sample.phase in (Phase.SETTLING, Phase.COLLECTED)]
    late = [sample for sample in looks if sample.at_s >= threshold] or looks[-1:]
    if baseline is None or not late:
        return None
    left = (late[0].get(name) or 0) - baseline
    # Threads of a pool, and connections that are kept for the next call, stay when their work is done or cancelled.
    due = [sample.answers_due for sample in late if sample.answers_due is not None]
    if due:
        left = min(left, max(due))
    if left <= 0:
        return None
    counted = METRICS[name]
    return Finding(
        FindingKind.STALLED,
        name,
        left,
        0,
        f"{counted.quantity(left)} of work that was given up still there {format_duration(late[0].at_s)} after the "
        f"start; the caller had its answer after {format_duration(trace.elapsed_s)}, and nothing cancelled the work",
    )


def _came_after_the_steps(trace: Trace, limit: float) -> bool:
    """Whether more than `limit` bytes were resident only after the last step, by the samples of the clock."""
    phases = [sample.phase for sample in trace.samples]
    if Phase.END not in phases:
        return False
    end = len(phases) - 1 - phases[::-1].index(Phase.END)
    before, after = trace.samples[:end], trace.samples[end:]
    return max((s.get("rss") or 0 for s in before), default=0) <= limit < max((s.get("rss") or 0) for s in after)
