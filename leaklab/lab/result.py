"""The result of running a scenario's halves: data, and the pure questions asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaklab.content.declaration import Expected
from leaklab.content.settings import Settings
from leaklab.judge.forecast import Capacities, Forecast, forecasts
from leaklab.judge.summary import MetricSummary, summarize
from leaklab.judge.verdict import Judgement, Thresholds, Verdict, combine, judge
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Trace
from leaklab.metrics import METRICS

MOMENTS = ("baseline", "peak", "end", "returned", "collected")
"""The moments of a metric's summary, in order."""


def median(values: Sequence[float]) -> float:
    """The median of at least one value."""
    if len(values) == 1:
        return values[0]
    import statistics

    return statistics.median(values)


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run of one half as it was measured, and what was wrong with the work it did (None: nothing)."""

    trace: Trace
    complaint: str | None


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """One run of one half: what was read, its summary, and the verdict on it."""

    trace: Trace
    summary: Mapping[str, MetricSummary | None]
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class HalfResult:
    """All runs of one half, and what is to be said of them.

    Attributes:
        runs: at least one, in order.
        judgement: the verdict over all runs.
        complaint: what is wrong with the work it did, None if nothing is.
        forecast: what will happen if it goes on as it was measured, by its first run.
    """

    half: str
    runs: tuple[JudgedRun, ...]
    judgement: Judgement
    complaint: str | None
    forecast: tuple[Forecast, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """In which way they ended."""
        return self.ending.outcome

    @property
    def ending(self) -> Ending:
        """How the first run that did not complete ended; COMPLETED if all did."""
        endings = (run.trace.ending for run in self.runs if run.trace.outcome is not Outcome.COMPLETED)
        return next(endings, COMPLETED)

    @property
    def error(self) -> str | None:
        """What ended the first run that did not complete, in words; None if all did."""
        return None if self.outcome is Outcome.COMPLETED else str(self.ending)

    @property
    def elapsed_s(self) -> float:
        """Seconds in `run`, the median of all runs."""
        return median([run.trace.elapsed_s for run in self.runs])

    @property
    def looks(self) -> int:
        """How often the half was run for one measurement: more than once where its answer came late."""
        return max(run.trace.looks for run in self.runs)

    def values(self, metric: str, moment: str) -> list[float]:
        """What each run read of `metric` at `moment` (one of MOMENTS, or `per_step`), those that could be read."""
        summaries = [run.summary[metric] for run in self.runs]
        values = [getattr(summary, moment) for summary in summaries if summary is not None]
        return [value for value in values if value is not None]

    def value(self, metric: str, moment: str) -> float | None:
        """The median over all runs, None if it could not be read."""
        values = self.values(metric, moment)
        if not values:
            return None
        middle = median(values)
        return int(middle) if METRICS[metric].unit != "seconds" and float(middle).is_integer() else middle

    def was_read(self, metric: str) -> bool:
        """Whether any run could read the metric at all."""
        return any(run.summary[metric] is not None for run in self.runs)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario: its halves, and whether each is what the scenario says.

    Attributes:
        scenario: its id.
        settings: what it was run with.
        mongo: which MongoDB server, None if none was asked for.
        python: the version of the interpreter that ran the halves.
        halves: by name, in the order they are shown.
        expected: what each half should be.
        telling: the metrics that show this scenario's leak.
        interrupted: whether somebody ended it before all halves had run.
    """

    scenario: str
    settings: Settings
    mongo: str | None
    python: str
    halves: Mapping[str, HalfResult]
    expected: Mapping[str, Expected]
    telling: tuple[str, ...]
    interrupted: bool = False

    @property
    def surprises(self) -> list[str]:
        """What is not as the scenario says, in words; empty if all is."""
        return [
            f"{name}: {words}"
            for name, half in self.halves.items()
            for words in half_surprises(half, self.expected.get(name))
        ]

    @property
    def as_expected(self) -> bool:
        """Whether every half is what the scenario says."""
        return not self.surprises


def half_surprises(half: HalfResult, expected: Expected | None) -> list[str]:
    """In what `half` differs from what is expected of it."""
    found = {(finding.kind.value, finding.metric) for finding in half.judgement.findings}
    surprises: list[str] = []
    if half.error is not None:
        surprises.append(f"{half.outcome}: {half.error}")
    if half.complaint is not None:
        surprises.append(f"it did not do the work: {half.complaint}")
    if expected is None:
        return surprises
    if expected.verdict == "either":
        return surprises
    if half.judgement.verdict.value != expected.verdict:
        surprises.append(f"the verdict is {half.judgement.verdict}, expected is {expected.verdict}")
    elif missing := [finding for finding in expected.findings if finding not in found]:
        surprises.extend(f"{kind} {metric} was expected and not found" for kind, metric in missing)
    return surprises


def half_result(
    half: str, done: Sequence[MeasuredRun], bounds: Thresholds, capacities: Capacities | None = None
) -> HalfResult:
    """Summarize and judge what was done by one half; `capacities` are what its forecast is made with."""
    runs: list[JudgedRun] = []
    for one in done:
        summary = summarize(one.trace)
        runs.append(JudgedRun(one.trace, summary, judge(one.trace, summary, bounds)))
    complaint = next((one.complaint for one in done if one.complaint is not None), None)
    judgement = combine([run.judgement for run in runs])
    if complaint is not None and judgement.verdict is Verdict.CLEAN:
        # Whoever leaves the work out has nothing to leak.
        judgement = Judgement(Verdict.INCONCLUSIVE, (), (f"it did not do the work: {complaint}",))
    ahead = forecasts(runs[0].summary, capacities or Capacities()) if judgement.verdict is Verdict.LEAKS else ()
    return HalfResult(half, tuple(runs), judgement, complaint, ahead)
