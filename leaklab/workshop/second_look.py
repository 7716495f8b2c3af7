"""Tells a pool from a leak by two looks at a learner's file, the second with more steps: pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leaklab.judge.verdict import EXACT_PEAKS, LEAST_WASTE, Finding, FindingKind, Verdict
from leaklab.metrics import METRICS, Judge
from leaklab.workshop.check_result import CheckResult, CheckState

if TYPE_CHECKING:
    from leaklab.lab.result import HalfResult, Result

MORE = 4
"""The second look at a file that more steps would tell of takes so many times the steps."""

POOL = 64
"""Things at once that a pool may hold: twice the threads that Python's ThreadPoolExecutor starts at most."""

NOTICED = 5
"""Things left over of a half that is clean otherwise, from which on a second look tells a pool from a leak: a client
keeps fewer for itself (pymongo: three connections, three threads)."""

MANY = 12
"""Connections, or things open at once, of a half that is clean otherwise, from which on a second look is worth its
time: pools of ten are usual."""

GROWN = 0.75
"""What there is in the second look, over what there was in the first, as a share of MORE, from which on it grew with
the work."""

_LEFT_OPEN = [name for name, metric in METRICS.items() if metric.judge is Judge.LEFT_OPEN]
_REUSED = [name for name, metric in METRICS.items() if metric.judge is Judge.REUSE]

_GROWS = [
    *((name, "collected", NOTICED, FindingKind.LEAKED) for name in _LEFT_OPEN),
    *((name, "peak", MANY, FindingKind.HELD) for name in EXACT_PEAKS),
    *((name, "peak", MANY, FindingKind.WASTED) for name in _REUSED),
]
"""What grows where there is a leak: metric, moment, how much is worth a second look, and what it is."""

_SAID = {
    FindingKind.LEAKED: ("left open", "after"),
    FindingKind.HELD: ("open at once", "in"),
    FindingKind.WASTED: ("opened", "in"),
}


def worth_another(first: CheckResult) -> bool:
    """Whether a first look leaves a doubt, or so much open, that a second one is worth its time."""
    if first.state is CheckState.UNDECIDED:
        return True
    if first.state is not CheckState.FIXED or first.result is None or first.result.settings.steps is None:
        return False
    return any(_risen(first.yours, name, moment) >= noticed for name, moment, noticed, _ in _GROWS)


def decided(first: CheckResult, second: CheckResult) -> CheckResult:
    """What two looks say together, the second with MORE times the steps of the first."""
    if second.state in (CheckState.LEAKS, CheckState.UNDECIDED) and is_pool(first, second):
        return replace(second, state=CheckState.FIXED, reason="", remedy="", finding=None, showed=None)
    grown = grown_with_the_work(first, second)
    if second.state in (CheckState.FIXED, CheckState.UNDECIDED) and grown is not None:
        reason = f"{METRICS[grown.metric].label}: {grown.reason}"
        return replace(second, state=CheckState.LEAKS, reason=reason, remedy="", finding=grown)
    return second


def is_pool(first: CheckResult, second: CheckResult) -> bool:
    """Whether all that is against the file in two looks is what a pool is: it does not grow with the work.

    Args:
        first: the look with fewer steps.
        second: the look with MORE times as many.
    """
    if first.yours is None or second.yours is None or not _controls_hold(second):
        return False
    told = {finding.metric for finding in second.yours.judgement.findings}
    counted = {*_LEFT_OPEN, *_REUSED}
    # A peak that the services do not count may have been missed by every sample of a short run.
    peaks = told | {"connections_opened", "open_cursors"}
    steps = 0 if second.result is None or told else second.result.settings.steps or 0

    def may_be_one(name: str, moment: str) -> bool:
        before, after = (max(1, _risen(half, name, moment)) for half in (first.yours, second.yours))
        # Where nothing says that it keeps a pace, fewer than one a dozen steps are a pool that grows when it is short.
        is_slow = after <= steps * LEAST_WASTE and after < GROWN * MORE * before
        return after <= POOL and (after <= 2 * before or is_slow)

    return told <= counted and all(
        may_be_one(name, moment) for moment, names in (("collected", counted), ("peak", peaks)) for name in names
    )


def grown_with_the_work(first: CheckResult, second: CheckResult) -> Finding | None:
    """What is left over and grew from the first look to the second as the steps did, whatever its steps look like."""
    if first.result is None or second.result is None:
        return None
    for name, moment, noticed, kind in _GROWS:
        before, after = (_risen(check.yours, name, moment) for check in (first, second))
        if before >= noticed and after >= GROWN * MORE * before:
            metric, steps = METRICS[name], (first.result.settings.steps, second.result.settings.steps)
            what, when = _SAID[kind]
            words = (
                f"{metric.quantity(before)} {what} {when} {steps[0]:,} steps, {metric.format(after)} {when} "
                f"{steps[1]:,}: what grows with the work is no pool"
            )
            return Finding(kind, name, after, before, words)
    return None


def _risen(half: HalfResult | None, metric: str, moment: str) -> float:
    if half is None:
        return 0
    value, baseline = half.value(metric, moment), half.value(metric, "baseline")
    return 0 if value is None or baseline is None else value - baseline


def _controls_hold(check: CheckResult) -> bool:
    return check.result is not None and not doubtful_controls(check.result)


def doubtful_controls(result: Result) -> list[str]:
    """What is wrong with the two halves whose verdicts are known beforehand; empty if they are what they should be."""
    return [
        f"the {name} half, which {'leaks' if verdict is Verdict.LEAKS else 'is clean'}, was not found to: "
        f"{'; '.join(half.judgement.doubts) or half.judgement.verdict}"
        for name, verdict in (("leaky", Verdict.LEAKS), ("fixed", Verdict.CLEAN))
        if (half := result.halves[name]).judgement.verdict is not verdict
    ]
