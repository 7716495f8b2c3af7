"""What a worker says to the runner: lines of JSON (docs/protocol.md), decoded into typed events."""

import contextlib
import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from leaklab.measure.run_trace import Count, Raised

Seconds = Annotated[float, Meta(ge=0, le=2**31)]


class Event(Struct, frozen=True, tag_field="say"):
    """One message of a worker."""


class HalfLoaded(Event, frozen=True, tag="loaded"):
    """The half is imported."""


class HalfUnloadable(Event, frozen=True, tag="unloadable"):
    """The half cannot be imported."""

    error: Raised


class HalfReady(Event, frozen=True, tag="ready"):
    """`run` can be called."""


class StepBegun(Event, frozen=True, tag="step"):
    """The half takes the next item after `done` whole steps, `at` seconds after the start; it waits if `pause`."""

    done: Count
    at: Seconds
    pause: bool


class StepsTaken(Event, frozen=True, tag="end"):
    """The half has taken the last item, asks for one more, and waits."""

    done: Count
    at: Seconds


class HalfReturned(Event, frozen=True, tag="returned"):
    """`run` returned: its answer as JSON text, or why it cannot be carried over; `cpu` in seconds."""

    at: Seconds
    cpu: Seconds
    answer: str | None
    problem: str | None

    def value(self) -> object:
        """What `run` returned, as JSON values."""
        if self.problem is not None:
            return UnreadableAnswer(self.problem)
        try:
            return None if self.answer is None else json.loads(self.answer)
        except (ValueError, RecursionError):
            return UnreadableAnswer("it is nested too deeply")


class HalfRaised(Event, frozen=True, tag="raised"):
    """`run` raised an error, or what that is called in another language (`did`); `cpu` in seconds."""

    at: Seconds
    cpu: Seconds
    error: Raised
    did: Literal["raised", "returned an", "ended in a", "ended by"] = "raised"


class HalfCollected(Event, frozen=True, tag="collected"):
    """Garbage was collected."""


class TasksCounted(Event, frozen=True, tag="tasks"):
    """The asyncio tasks that are pending: after a pause, in the loop that paused; at the end, all that are left.

    `count` is None if asyncio was never imported.
    """

    count: Count | None


class EvidenceGiven(Event, frozen=True, tag="evidence"):
    """What a witness found inside, at one moment: groups of what is open (`leaklab.explain`), and what went wrong.

    `cpu` are the seconds of CPU time that it took. A witness in Go has no groups: it gives the stacks of its goroutines
    as Go prints them, and the memory in use by the stacks that allocated it.
    """

    moment: str
    groups: list[Any]
    cpu: Seconds
    error: str
    stacks: str = ""
    heap: list[Any] | None = None


class UnreadableAnswer(Struct, frozen=True):
    """Stands for an answer that could not be carried over: not plain data, or too long."""

    problem: str


_EVENTS = (
    HalfLoaded
    | HalfUnloadable
    | HalfReady
    | StepBegun
    | StepsTaken
    | HalfReturned
    | HalfRaised
    | HalfCollected
    | TasksCounted
    | EvidenceGiven
)
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(_EVENTS)


def event_of(line: bytes) -> Event | None:
    """The event in a line; None if the line is not one: a half may write on any descriptor it likes."""
    with contextlib.suppress(msgspec.ValidationError, RecursionError):
        try:
            return _DECODER.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A name of a file, or a message, need not be proper Unicode: Python's own decoder takes it as it is.
            with contextlib.suppress(ValueError):
                event: Event = msgspec.convert(json.loads(line), type=_EVENTS)
                return event
    return None
