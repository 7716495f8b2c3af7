"""One check of the doctor's, and the terminal that one of them is about: data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """What a check found: all is well; something is worse than it could be; leaklab, or a part of it, cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was looked at.

    Attributes:
        name: what was looked at.
        state: how it is.
        found: what was found, with its figures.
        remedy: what to do; empty if there is nothing to do.
    """

    name: str
    state: Health
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where output goes.

    Attributes:
        is_terminal: whether a person looks at it.
        width: columns.
        colours: which system of colours it has; None for none.
        no_color: whether NO_COLOR asks for none.
        encoding: the name of the output's encoding.
    """

    is_terminal: bool
    width: int
    colours: str | None
    no_color: bool
    encoding: str
