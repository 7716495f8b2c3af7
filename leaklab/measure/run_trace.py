"""Samples, and the trace they form: what was read of one run, and how the run ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from leaklab.measure.source_line import SourceLine
from leaklab.metrics import METRICS, Metric
from leaklab.units import printable

Count = Annotated[int, Meta(ge=0, le=2**53)]
ShortText = Annotated[str, Meta(max_length=500)]
Points = list[tuple[int, float]]


class Phase(StrEnum):
    """The moment a sample was taken at."""

    BASELINE = "baseline"
    STEP = "step"
    CLOCK = "clock"
    END = "end"
    RETURNED = "returned"
    SETTLING = "settling"
    COLLECTED = "collected"


@dataclass(frozen=True, slots=True)
class Sample:
    """What all probes read at one moment.

    Attributes:
        phase: the moment.
        steps_done: how many steps the half had finished.
        at_s: seconds since `run` was called, the pauses for earlier samples left out.
        values: by metric name; a metric that was not or could not be read is None or missing, never 0.
        own: of metrics that are compared with each other, what the process itself had at one moment: without child
            processes, and read together.
        answers_due: answers of a dead service that the half still waits for; None where no service says.
    """

    phase: Phase
    steps_done: int
    at_s: float
    values: Mapping[str, float | None]
    answers_due: int | None = None
    own: Mapping[str, float] = field(default_factory=dict)

    def get(self, metric: str) -> float | None:
        """The value of `metric`, None if it was not read in this sample."""
        return self.values.get(metric)


class Outcome(StrEnum):
    """In which way a run ended."""

    COMPLETED = "completed"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"
    INTERRUPTED = "interrupted"


class ErrorLine(Struct, frozen=True):
    """A line that an error went through."""

    file: str
    line: Count | None


class Raised(Struct, frozen=True):
    """An error that left the half, or its import.

    Attributes:
        kinds: the names of its class and of the classes it is derived from, its own first.
        message: its text.
        places: the lines of the half's own folder that it went through.
    """

    kinds: Annotated[tuple[ShortText, ...], Meta(min_length=1, max_length=500)]
    message: ShortText
    places: Annotated[tuple[ErrorLine, ...], Meta(max_length=5)] = ()

    def __str__(self) -> str:
        return self.named(self.kinds[0])

    def named(self, kind: str) -> str:
        """The error as `kind: message`, as if it were of the class `kind`."""
        return printable(f"{kind}: {self.message}" if self.message else kind)

    def source_line(self) -> SourceLine | None:
        """The line of the half that it came from; None if it came from none."""
        return SourceLine.at(Path(self.places[-1].file), self.places[-1].line or 0) if self.places else None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        outcome: in which way.
        words: what ended it before its work was done; empty if it completed.
        place: the line of the half that it came from or was at; None where that is unknown.
        raised: the error that left `run`; None if something else ended it.
    """

    outcome: Outcome
    words: str = ""
    place: SourceLine | None = None
    raised: Raised | None = None

    def __str__(self) -> str:
        return self.words if self.place is None else f"{self.words} ({self.place})"


COMPLETED = Ending(Outcome.COMPLETED)
"""The ending of a run that did all of its work."""


@dataclass(frozen=True, slots=True)
class Trace:
    """The samples of one half, in order, and how it ended.

    Attributes:
        half: `leaky`, `fixed`, a partial fix, or `yours` for a learner's file.
        steps: how many steps it began.
        elapsed_s: seconds in `run`, pauses for samples left out.
        waited_s: seconds that were waited, after `gc.collect()`, for what was just ending.
        samples: in the order they were taken.
        peaks: exact highest values that the system and the services kept between samples, by metric name.
        answer: what `run` returned, as JSON values; None if it did not return.
        ending: how it ended.
        shared_memory: the names of the shared memory that it left, and that was removed.
        output: what the half printed (standard output and error), cut to a bounded length.
        requests_by_route: what the services were asked, by route; None where a service cannot say.
        cpu_s: CPU seconds in `run`, of the process and of those it started; None if it neither returned nor raised.
        cpu_wait_s: seconds in `run` in which its threads waited for a processor; None where the system does not say.
        answers_awaited_s: seconds until return in which it waited for slow answers; None where no service says.
        looks: how often the half was run for it: more than once where an answer came late, and this is the shortest.
    """

    half: str
    steps: int
    elapsed_s: float
    waited_s: float
    samples: tuple[Sample, ...]
    peaks: Mapping[str, float] = field(default_factory=dict)
    answer: object = None
    ending: Ending = COMPLETED
    output: str = ""
    shared_memory: tuple[str, ...] = ()
    requests_by_route: Mapping[str, int | None] = field(default_factory=dict)
    cpu_s: float | None = None
    cpu_wait_s: float | None = None
    answers_awaited_s: float | None = None
    looks: int = 1

    @property
    def outcome(self) -> Outcome:
        """In which way it ended."""
        return self.ending.outcome

    def value(self, metric: str, phase: Phase) -> float | None:
        """The value of `metric` in the last sample of `phase`, None if there is none."""
        values = [sample.get(metric) for sample in self.samples if sample.phase is phase]
        return values[-1] if values else None

    def step_points(self, metric: str) -> Points:
        """(steps done, value) at every step that `metric` is known at, the end included."""
        at_steps = [sample for sample in self.samples if sample.phase in (Phase.STEP, Phase.END)]
        values = [sample.get(metric) for sample in at_steps]
        if whole := METRICS[metric].part_of:
            values = _filled(values, [sample.get(whole) for sample in at_steps])
        pairs = zip(at_steps, values, strict=True)
        return [(sample.steps_done, value) for sample, value in pairs if value is not None]

    def at_the_end(self, metric: str) -> float | None:
        """The value at the last step; of a half that took its items by number, when the last one began."""
        if self.outcome is Outcome.COMPLETED and not any(sample.phase is Phase.END for sample in self.samples):
            return next((value for _, value in reversed(self.step_points(metric))), None)
        return self.value(metric, Phase.END)

    def parts(self, metric: Metric) -> list[Metric]:
        """What else counts some of what `metric` counts, and was read in this run."""
        parts = [part for part in METRICS.values() if part.part_of == metric.name]
        return [part for part in parts if any(sample.get(part.name) is not None for sample in self.samples)]

    def alone(self, metric: Metric) -> list[tuple[Sample, float]]:
        """What `metric` counts and no part of it does, in each sample in which all of them were read.

        File descriptors without sockets; the sockets of child processes are none of this process's descriptors.
        """
        parts, found = self.parts(metric), []
        for sample in self.samples:
            of_parts = [sample.own.get(part.name, sample.get(part.name)) for part in parts]
            value = sample.own.get(metric.name, sample.get(metric.name)) if parts else sample.get(metric.name)
            if value is not None and None not in of_parts:
                found.append((sample, value - sum(filter(None, of_parts))))
        return found


def _filled(parts: Sequence[float | None], wholes: Sequence[float | None]) -> list[float | None]:
    """A metric that is read at few samples, worked out for those in between from the metric that it is part of.

    Sockets are descriptors: where two readings in a row found the same number of other descriptors, the sockets in
    between are all descriptors less that number. This serves pictures and the step at which growth showed first; it is
    never shown as a number, and never makes a peak.
    """
    filled = list(parts)
    pairs = enumerate(zip(parts, wholes, strict=True))
    others = {index: whole - part for index, (part, whole) in pairs if part is not None and whole is not None}
    for read, read_next in pairwise(others):
        if others[read] == others[read_next]:
            for between in range(read + 1, read_next):
                whole = wholes[between]
                filled[between] = None if whole is None else whole - others[read]
    return filled
