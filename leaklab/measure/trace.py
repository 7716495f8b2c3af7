"""Samples, the trace they form, and the summary of a trace: data, and pure functions over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from leaklab.judge.growth import Growth, growth_of
from leaklab.measure.source_line import SourceLine
from leaklab.metrics import METRICS, Judge, Metric
from leaklab.units import printable


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
        answers_due: answers of a dead service that the half still waits for; None where no service says.
        round: which pass over the items of the workload it was taken in, from 0.
    """

    phase: Phase
    steps_done: int
    at_s: float
    values: Mapping[str, float | None]
    answers_due: int | None = None
    round: int = 0

    def get(self, metric: str) -> float | None:
        """The value of `metric`, None if it was not read in this sample."""
        return self.values.get(metric)


class Outcome(StrEnum):
    """How a half ended."""

    COMPLETED = "completed"
    CRASHED = "crashed"
    TIMED_OUT = "timed-out"


@dataclass(frozen=True, slots=True)
class Raised:
    """An error of a half.

    Attributes:
        kinds: the names of its class and of those that it is derived from, its own first.
        message: its words.
    """

    kinds: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return self.named(self.kinds[0])

    def named(self, kind: str) -> str:
        """Its words as those of an error of one of its classes."""
        return printable(f"{kind}: {self.message}" if self.message else kind)


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended a half before its work was done.

    Attributes:
        words: what it was, without the place.
        place: the line of the half's own that it came from, or was at; None where that is not known.
        raised: the error that left `run`; None if it was something else.
    """

    words: str
    place: SourceLine | None = None
    raised: Raised | None = None

    def __str__(self) -> str:
        return self.words if self.place is None else f"{self.words} ({self.place})"


@dataclass(frozen=True, slots=True)
class Trace:
    """The samples of one half, in order, and how it ended.

    Attributes:
        half: `leaky`, `fixed`, `almost`, or `yours` for a learner's file.
        outcome: how it ended.
        steps: how many steps it began.
        elapsed_s: seconds in `run`, pauses for samples left out.
        waited_s: seconds that were waited, after `gc.collect()`, for what was just ending.
        samples: in the order they were taken.
        peaks: exact highest values that the services kept between samples, by metric name.
        answer: what `run` returned, as JSON values; None if it did not return.
        ending: what ended it, if it did not complete.
        output: what the half printed (standard output and error), cut to a bounded length.
        requests_by_route: what the services were asked, by route.
        cpu_s: CPU seconds in `run`, of the process and of those it started; None if it did not return.
        looks: how often the half was run for it: more than once where an answer came late, and this is the shortest.
    """

    half: str
    outcome: Outcome
    steps: int
    elapsed_s: float
    waited_s: float
    samples: tuple[Sample, ...]
    peaks: Mapping[str, float] = field(default_factory=dict)
    answer: object = None
    ending: Ending | None = None
    output: str = ""
    requests_by_route: Mapping[str, int] = field(default_factory=dict)
    cpu_s: float | None = None
    looks: int = 1

    def value(self, metric: str, phase: Phase) -> float | None:
        """The value of `metric` in the last sample of `phase`, None if there is none."""
        for sample in reversed(self.samples):
            if sample.phase is phase:
                return sample.get(metric)
        return None

    def step_points(self, metric: str) -> list[tuple[int, float]]:
        """(steps done, value) at every step that `metric` is known at, the end included.

        Of several passes over the items, that in which it rose most: in the others something else was done.
        """
        return self.most_risen(lambda samples: points_of(samples, metric), METRICS[metric].least)

    def most_risen(
        self, points: Callable[[Sequence[Sample]], list[tuple[int, float]]], least: float
    ) -> list[tuple[int, float]]:
        """What `points` makes of the samples of that pass in which it rises most, by `least` or more.

        Where none rises, that which reaches highest; of equals the last.
        """
        rounds: dict[int, list[Sample]] = {}
        for sample in self.samples:
            if sample.phase in (Phase.STEP, Phase.END):
                rounds.setdefault(sample.round, []).append(sample)

        def risen(series: list[tuple[int, float]]) -> tuple[float, float]:
            values = [value for _, value in series]
            rise = values[-1] - values[0] if len(values) > 1 else 0.0
            return (rise if rise >= least else 0.0, max(values, default=0.0))

        return max((points(samples) for samples in reversed(rounds.values())), key=risen, default=[])


def points_of(samples: Sequence[Sample], metric: str) -> list[tuple[int, float]]:
    """(steps done, value) of each of these samples that `metric` is known at."""
    values = [sample.get(metric) for sample in samples]
    if metric == "open_sockets":
        values = _between_looks(values, [sample.get("open_fds") for sample in samples])
    return [(sample.steps_done, value) for sample, value in zip(samples, values, strict=True) if value is not None]


def _between_looks(sockets: Sequence[float | None], descriptors: Sequence[float | None]) -> list[float | None]:
    """Sockets at the samples that only descriptors were read at, to see when they rose.

    Where two looks in a row found the same number of other descriptors, that number is taken away in between. This
    serves the judgement of growth, which takes the lowest later value; it is never shown, and no peak is made of it.
    """
    filled = list(sockets)
    last_look: int | None = None
    for index, value in enumerate(sockets):
        if value is None or descriptors[index] is None:
            continue
        others = (descriptors[index] or 0) - value
        if last_look is not None and (descriptors[last_look] or 0) - (sockets[last_look] or 0) == others:
            for between in range(last_look + 1, index):
                known = descriptors[between]
                filled[between] = None if known is None else known - others
        last_look = index
    return filled


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """One metric of one half: its value at the moments that matter, and its growth per step.

    Values are in the metric's unit, None where they could not be read. `per_step` is None where the half has no steps.
    """

    metric: Metric
    baseline: float | None
    peak: float | None
    end: float | None
    returned: float | None
    collected: float | None
    growth: Growth | None

    @property
    def per_step(self) -> float | None:
        """Growth per step in the metric's unit."""
        return None if self.growth is None else self.growth.per_step


def summarize(trace: Trace) -> dict[str, MetricSummary | None]:
    """The summary of each metric, in the order of the metrics' table; None for one that was never read."""
    return {name: _summarize_metric(trace, metric) for name, metric in METRICS.items()}


def _summarize_metric(trace: Trace, metric: Metric) -> MetricSummary | None:
    if metric.judge is Judge.DEADLINE:
        return _summarize_elapsed(trace, metric)
    values = [value for sample in trace.samples if (value := sample.get(metric.name)) is not None]
    if not values:
        return None
    points = trace.step_points(metric.name)
    return MetricSummary(
        metric=metric,
        baseline=trace.value(metric.name, Phase.BASELINE),
        peak=max([*values, trace.peaks.get(metric.name, 0)]),
        end=_at_the_end(trace, metric),
        returned=trace.value(metric.name, Phase.RETURNED),
        collected=trace.value(metric.name, Phase.COLLECTED),
        growth=growth_of(points, least=metric.least) if len(points) > 1 else None,
    )


def _at_the_end(trace: Trace, metric: Metric) -> float | None:
    """The value at the last step, of several passes over the items the most.

    Of a half that took its items by number, and asked for no more, when the last one began.
    """
    at_ends = [sample.get(metric.name) for sample in trace.samples if sample.phase is Phase.END]
    if trace.outcome is not Outcome.COMPLETED or at_ends:
        return max((value for value in at_ends if value is not None), default=None)
    return next((value for _, value in reversed(trace.step_points(metric.name))), None)


def _summarize_elapsed(trace: Trace, metric: Metric) -> MetricSummary:
    returned = trace.elapsed_s if trace.outcome is Outcome.COMPLETED else None
    end = next((sample.at_s for sample in reversed(trace.samples) if sample.phase is Phase.END), None)
    return MetricSummary(
        metric=metric,
        baseline=0.0,
        peak=trace.elapsed_s,
        end=end,
        returned=returned,
        collected=returned,
        growth=Growth.constant(trace.elapsed_s / trace.steps) if trace.steps else None,
    )
