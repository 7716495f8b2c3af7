"""Explains findings: what a witness is to look at for them, and which of what it said is the evidence for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from leaklab.explain.evidence import worth_telling
from leaklab.explain.explaining import Plan, Testimony
from leaklab.judge.scaling import LEAST
from leaklab.metrics import ELAPSED, METRICS, FindingKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leaklab.judge.findings import Finding

LATE = 0.75
"""The share of the seconds that are too late at which a half that does not return is looked at."""

LONG_S = 2.0
"""Seconds from which on the work is explained by less of it."""

FEWEST = 5
"""Steps of that, at least."""

MOMENTS = {FindingKind.HELD: ("end", "most", "raised"), FindingKind.LEAKED: ("left", "cancelled")}
"""The moments of which the one that shows most is evidence, by the kind of finding; of other kinds, all there are."""

WITH_ELAPSED = (ELAPSED.counter, "threads", "tasks")
"""What waits when an answer is late."""


def steps_of(findings: Sequence[Finding], steps: int, elapsed_s: float) -> int:
    """The steps of the run that explains these findings; 0 if the work has none."""
    if elapsed_s <= LONG_S or not all(finding.work for finding in findings):
        return steps
    return max(min(steps, FEWEST), int(steps * LONG_S / elapsed_s))


def plan_of(findings: Sequence[Finding], share: float) -> Plan:
    """What is to be looked at for these findings, in a run of this share of the measured one's steps."""
    left: dict[str, float] = {}
    held: dict[str, float] = {}
    late_s: float | None = None
    for finding in findings:
        counter = METRICS[finding.metric].counter
        if finding.kind is FindingKind.HELD:
            held[counter] = finding.value * share
        elif finding.metric == ELAPSED.name:
            late_s = finding.threshold * LATE
        else:
            left[counter] = finding.value * share
    return Plan(left, held, late_s)


def explained(findings: Sequence[Finding], testimony: Testimony, folder: Path, steps: int) -> tuple[Finding, ...]:
    """The findings with their evidence; of those for which there is none, why."""
    return tuple(_explained(finding, testimony, folder, steps) for finding in findings)


def _explained(finding: Finding, testimony: Testimony, folder: Path, steps: int) -> Finding:
    counters = WITH_ELAPSED if finding.metric == ELAPSED.name else (METRICS[finding.metric].counter,)
    moments = MOMENTS.get(finding.kind, ("late", "left"))
    groups = [group for counter in counters for group in testimony.of(counter, moments)]
    least = LEAST * steps if finding.work and METRICS[finding.metric].unit == "count" else 1
    told = worth_telling(groups, folder, least)
    if told:
        return replace(finding, evidence=tuple(group.evidence(folder) for group in told))
    return replace(finding, unexplained=_why(testimony, moments))


def _why(testimony: Testimony, moments: Sequence[str]) -> str:
    """Why nothing was found."""
    if testimony.trouble:
        return f"the run that was to explain it did not come to that: {testimony.trouble}"
    if not any(moment in testimony.looks for moment in moments):
        return "in the run that was to explain it, it did not happen"
    return "no Python object of it was found, and no line that opened it"
