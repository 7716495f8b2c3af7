"""What the doctor found, and the terminal that it reports to: data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Health(StrEnum):
    """What a check found: all is well; something could be better; leaklab, or a part of it, cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Diagnosis(NamedTuple):
    """What was found, with its figures, and what to do; `remedy` is empty if there is nothing to do."""

    state: Health
    found: str
    remedy: str = ""


class HealthCheck(NamedTuple):
    """A diagnosis with the name of what was checked."""

    name: str
    state: Health
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where output goes: a terminal or a pipe or file, its width in columns, its colour system (None: no colours)."""

    is_terminal: bool
    width: int
    colours: str | None
    encoding: str
