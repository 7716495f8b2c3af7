"""What is found of a half: findings, and the verdict that they make."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from msgspec import Meta, Struct

from leaklab.explain.evidence import Evidence
from leaklab.metrics import METRICS, FindingKind

Quantity = Annotated[float, Meta(ge=0)]
Words = Annotated[str, Meta(min_length=1)]
MetricName = Annotated[str, Meta(description="What is counted.", extra_json_schema={"enum": [*METRICS]})]


NOT_LOOKED_FOR = "it was not looked for"
"""Why there is no evidence where nobody asked for it."""


class Verdict(StrEnum):
    """The judgement on a half, by its findings."""

    LEAKS = "leaks"
    CLEAN = "clean"
    INCONCLUSIVE = "inconclusive"


class Work(Struct, frozen=True, forbid_unknown_fields=True):
    """What was counted after so many steps of work."""

    steps: Annotated[int, Meta(ge=1)]
    value: Annotated[Quantity, Meta(description="Above the baseline, in the metric's unit.")]


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """What was found.

    leaked: survives return and gc. held: until `run` returns. wasted: not reused. stalled: past its deadline.
    """

    kind: FindingKind
    metric: MetricName
    value: Annotated[float, Meta(description="The number that decided, in the metric's unit.")]
    threshold: Annotated[Quantity, Meta(description="The number it was compared with, in the metric's unit.")]
    reason: Annotated[Words, Meta(description="Both in words.")]
    work: Annotated[tuple[Work, ...], Meta(description="What grows with the work, at both sizes; else empty.")]
    per_step: Annotated[float | None, Meta(description="How much it grows with each step; null if it is not that.")]
    evidence: Annotated[tuple[Evidence, ...], Meta(description="Where it comes from, the most first.")]
    unexplained: Annotated[str, Meta(description="Why there is no evidence; empty if there is some.")]

    @classmethod
    def of(
        cls,
        kind: FindingKind,
        metric: str,
        value: float,
        threshold: float,
        reason: str,
        work: tuple[Work, ...] = (),
        per_step: float | None = None,
    ) -> Self:
        """A finding for which no evidence was looked for yet."""
        return cls(kind, metric, value, threshold, reason, work, per_step, (), NOT_LOOKED_FOR)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a half, the findings and the doubts behind it.

    Attributes:
        looked_at: of a clean half, what was looked at.
        steady: of one that leaks, a sentence for each key metric that was high and did not grow.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()
    looked_at: str = ""
    steady: tuple[str, ...] = ()
