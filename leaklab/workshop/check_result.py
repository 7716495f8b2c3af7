"""What a check of a learner's file found: data, and the questions asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from leaklab.judge.verdict import Finding
    from leaklab.lab.result import HalfResult, Result
    from leaklab.measure.source_line import SourceLine

YOURS = "yours"
"""What the learner's file is called beside `leaky` and `fixed`."""


class CheckState(StrEnum):
    """What a check found."""

    FIXED = "fixed"
    LEAKS = "leaks"
    WRONG_WORK = "wrong-work"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class FirstSeen:
    """When a leak showed first: within these steps, counted from 1; `last` 0 is before the first step."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found, and all that a report of it needs.

    Attributes:
        scenario: its id.
        file: the learner's file.
        state: what was found.
        reason: why, in a sentence; empty where it is fixed.
        remedy: what to do next, in a sentence; empty where nothing is to be done.
        finding: what still tells, the first of the findings.
        showed: when that showed first; None where the steps do not say.
        place: the line of the learner's own that an error came from.
        result: the measurement; None where the file was not run.
    """

    scenario: str
    file: Path
    state: CheckState
    reason: str = ""
    remedy: str = ""
    finding: Finding | None = None
    showed: FirstSeen | None = None
    place: SourceLine | None = None
    result: Result | None = None

    @property
    def fixed(self) -> bool:
        """Whether the learner's file does the work and leaks nothing."""
        return self.state is CheckState.FIXED

    @property
    def yours(self) -> HalfResult | None:
        """What was measured of the learner's file."""
        return None if self.result is None else self.result.halves.get(YOURS)
