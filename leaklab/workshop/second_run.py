"""Separates a pool from a leak by two runs of a learner's file, the second with more steps: pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leaklab.judge.verdict import LEAST_WASTE, Finding, FindingKind, Verdict
from leaklab.metrics import CONNECTIONS_OPENED, METRICS, OPEN_CURSORS, Judge
from leaklab.workshop.check_result import CheckResult, CheckState

if TYPE_CHECKING:
    from leaklab.lab.result import Result

MORE = 4
"""The second run takes this many times the steps of the first."""

POOL = 64
"""Things that a pool may hold: twice the threads that Python's ThreadPoolExecutor starts at most."""

NOTICED = 5
"""Fewest things left open by an otherwise clean half that need a second run: a client keeps fewer for itself (pymongo:
three connections, three threads)."""

MANY = 12
"""Fewest connections, or things open at the same time, of an otherwise clean half that need a second run: pools of ten
are usual."""

GROWN = 0.75
"""A count grew with the work if the second run has at least this share of MORE times the count of the first."""

_LEFT_OPEN = [name for name, metric in METRICS.items() if metric.judge is Judge.LEFT_OPEN]
_REUSED = [name for name, metric in METRICS.items() if metric.judge is Judge.REUSE]

_GROWS = [
    *((name, "collected", NOTICED, FindingKind.LEAKED) for name in _LEFT_OPEN),
    *((name, "peak", MANY, FindingKind.HELD) for name, metric in METRICS.items() if metric.exact_peak),
    *((name, "peak", MANY, FindingKind.WASTED) for name in _REUSED),
]
"""What grows with a leak: metric, moment, the count that needs a second run, and the kind of finding."""

_SEEN = {FindingKind.LEAKED: "left open", FindingKind.HELD: "open at the same time", FindingKind.WASTED: "opened"}


def is_needed(first: CheckResult) -> bool:
    """Whether the first run leaves a doubt, or so many things open that a second run must decide."""
    if first.state is CheckState.UNDECIDED:
        return True
    if first.state is not CheckState.FIXED or first.result is None or first.result.settings.steps is None:
        return False
    return any(_risen(first, name, moment) >= noticed for name, moment, noticed, _ in _GROWS)


def decide(first: CheckResult, second: CheckResult) -> CheckResult:
    """The result of two runs together, the second with MORE times the steps of the first."""
    if second.state in (CheckState.LEAKS, CheckState.UNDECIDED) and is_pool(first, second):
        return replace(second, state=CheckState.FIXED, reason="", remedy="", finding=None, showed=None)
    grown = grown_with_the_work(first, second)
    if second.state in (CheckState.FIXED, CheckState.UNDECIDED) and grown is not None:
        reason = f"{METRICS[grown.metric].label}: {grown.reason}"
        return replace(second, state=CheckState.LEAKS, reason=reason, remedy="", finding=grown)
    return second


def is_pool(first: CheckResult, second: CheckResult) -> bool:
    """Whether everything found in two runs is a pool: it does not grow with the work."""
    if second.yours is None or second.result is None or doubtful_controls(second.result):
        return False
    found = {finding.metric for finding in second.yours.judgement.findings}
    counted = {*_LEFT_OPEN, *_REUSED}
    # Every sample of a short run may miss a peak that the services do not count.
    peaks = found | {CONNECTIONS_OPENED.name, OPEN_CURSORS.name}
    steps = 0 if found else second.result.settings.steps or 0

    def may_be_one(name: str, moment: str) -> bool:
        before, after = (max(1, _risen(check, name, moment)) for check in (first, second))
        # Without a steady pace, fewer than one in a dozen steps is a pool that grows on demand.
        is_slow = after <= steps * LEAST_WASTE and after < GROWN * MORE * before
        return after <= POOL and (after <= 2 * before or is_slow)

    return found <= counted and all(
        may_be_one(name, moment) for moment, names in (("collected", counted), ("peak", peaks)) for name in names
    )


def grown_with_the_work(first: CheckResult, second: CheckResult) -> Finding | None:
    """A finding for what grew from the first run to the second as the steps did, whatever the steps showed."""
    if first.result is None or second.result is None:
        return None
    for name, moment, noticed, kind in _GROWS:
        before, after = (_risen(check, name, moment) for check in (first, second))
        if before >= noticed and after >= GROWN * MORE * before:
            metric, steps = METRICS[name], (first.result.settings.steps, second.result.settings.steps)
            counted = f"{metric.quantity(before)} {_SEEN[kind]} in {steps[0]:,} steps, {metric.format(after)}"
            reason = f"{counted} in {steps[1]:,}: a pool would not grow with the work"
            return Finding(kind, name, after, before, reason)
    return None


def _risen(check: CheckResult, metric: str, moment: str) -> float:
    return (check.yours.rise(metric, moment) or 0) if check.yours else 0


def doubtful_controls(result: Result) -> list[str]:
    """What is wrong with the measurement of the two halves with known verdicts; empty if they came out right."""
    return [
        f"the {name} half should {wanted}, but its verdict is "
        + "; ".join([half.judgement.verdict, *half.judgement.doubts])
        for name, wanted, verdict in (("leaky", "leak", Verdict.LEAKS), ("fixed", "be clean", Verdict.CLEAN))
        if (half := result.halves[name]).judgement.verdict is not verdict
    ]
