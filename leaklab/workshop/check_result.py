"""The result of checking a learner's file: data, and questions about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from leaklab.judge.findings import Finding
    from leaklab.lab.result import HalfResult, Result
    from leaklab.measure.source_line import SourceLine

YOURS = "yours"
"""The name of the learner's file next to `leaky` and `fixed`."""


class CheckState(StrEnum):
    """The possible results of a check."""

    FIXED = "fixed"
    LEAKS = "leaks"
    WRONG_WORK = "wrong-work"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    INTERRUPTED = "interrupted"


class FirstSeen(Struct, frozen=True, forbid_unknown_fields=True):
    """The steps within which a leak first showed, counted from 1; if `last` is 0, before the first step."""

    first: Annotated[int, Meta(ge=0, description="No earlier than in this step.")]
    last: Annotated[int, Meta(ge=0, description="No later than in this step.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check of a learner's file, with everything that a report of it needs.

    Attributes:
        scenario: its id.
        reason: why, in a sentence; empty if it is fixed.
        remedy: what to do next, in a sentence; empty if there is nothing to do.
        finding: the finding that decided.
        looked_at: of a fixed file, what was looked at.
        also_with: of a fixed file, the other choices of its settings that it was tried with: `dead=silent`.
        choice: of one that is not, the other choice that it fails with, if it does not fail with the first.
        why: of a fixed file, the sentence that the exercise teaches.
        showed: when that finding first showed; None if the steps cannot say.
        place: the learner's line that an error came from.
        result: the measurement; None if the file was not run.
        controls_at: when the leaky and the fixed half were measured, if that was in an earlier check.
    """

    scenario: str
    file: Path
    state: CheckState
    reason: str = ""
    remedy: str = ""
    finding: Finding | None = None
    looked_at: str = ""
    also_with: tuple[str, ...] = ()
    choice: str = ""
    why: str = ""
    showed: FirstSeen | None = None
    place: SourceLine | None = None
    result: Result | None = None
    controls_at: datetime | None = None

    @property
    def fixed(self) -> bool:
        """Whether the learner's file does the work and leaks nothing."""
        return self.state is CheckState.FIXED

    @property
    def is_explicable(self) -> bool:
        """Whether there may be evidence for what it shows: for a finding, or for what is in doubt."""
        return self.finding is not None or self.state is CheckState.UNDECIDED

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings on the learner's file."""
        return () if self.yours is None else self.yours.judgement.findings

    @property
    def yours(self) -> HalfResult | None:
        """The measurement of the learner's file."""
        return None if self.result is None else self.result.halves.get(YOURS)
