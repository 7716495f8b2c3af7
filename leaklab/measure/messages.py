"""What the runner and a worker say to each other: lines of JSON (docs/protocol.md) as data, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaklab.content.declaration import Steps
from leaklab.measure.source_line import SourceLine
from leaklab.measure.trace import Raised


@dataclass(frozen=True, slots=True)
class UnreadableAnswer:
    """Stands for an answer that could not be carried over: not plain data, or too long."""

    problem: str


_TEXT_OR_NONE = (str, type(None))
_NUMBER = (int, float)

MESSAGES: dict[str, dict[str, tuple[type, ...]]] = {
    "loaded": {},
    "unloadable": {"error": (dict,)},
    "ready": {},
    "step": {"done": (int,), "at": _NUMBER, "pause": (bool,)},
    "end": {"done": (int,), "at": _NUMBER},
    "returned": {"at": _NUMBER, "cpu": _NUMBER, "answer": _TEXT_OR_NONE, "problem": _TEXT_OR_NONE},
    "raised": {"at": _NUMBER, "error": (dict,)},
    "collected": {},
}
"""What a worker says, and what must be in it (docs/protocol.md)."""


def line_of(message: Mapping[str, Any]) -> bytes:
    """A message as a line."""
    return json.dumps(message).encode() + b"\n"


def message_of(line: bytes) -> dict[str, Any] | None:
    """A line as a message of the worker's; None if it is none: a half may write on any descriptor it likes."""
    try:
        message = json.loads(line)
        fields = MESSAGES[message["say"]]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    if not all(isinstance(message.get(name), kinds) for name, kinds in fields.items()):
        return None
    if "error" in fields and not _is_error(message["error"]):
        return None
    return dict(message)


def answer_of(text: str | None, problem: str | None) -> object:
    """What `run` returned, as JSON values."""
    if problem is not None:
        return UnreadableAnswer(problem)
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return UnreadableAnswer("it is nested too deeply")


def _is_error(error: Mapping[str, Any]) -> bool:
    """Whether an error is described as the worker describes it."""
    kinds, places = error.get("kinds"), error.get("places")
    return (
        isinstance(error.get("message"), str)
        and isinstance(kinds, list)
        and len(kinds) > 0
        and all(isinstance(kind, str) for kind in kinds)
        and isinstance(places, list)
        and all(isinstance(place, dict) and isinstance(place.get("file"), str) for place in places)
        and all(isinstance(place.get("line"), int | None) for place in places)
    )


def raised_of(error: Mapping[str, Any]) -> Raised:
    """An error as the worker describes it."""
    return Raised(tuple(error["kinds"]), error["message"])


def place_of(error: Mapping[str, Any]) -> SourceLine | None:
    """The line of the half's own that an error came from."""
    last = error["places"][-1] if error["places"] else None
    return None if last is None else SourceLine.at(Path(last["file"]), last["line"] or 0)


def as_json(value: object) -> object:
    """A value of the workload as the worker takes it."""
    return {"$steps": {"count": value.count, "item": value.item}} if isinstance(value, Steps) else value
