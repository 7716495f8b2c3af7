"""The result of running a scenario's halves: data, and pure functions over it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from leaklab.content.declaration import CRASHES, LEAKS_NOTHING, Expected
from leaklab.content.languages import GO, PYTHON
from leaklab.content.settings import Settings
from leaklab.judge.findings import Finding, Judgement, Verdict
from leaklab.judge.scaling import SizedRun, Thresholds
from leaklab.judge.verdict import judge
from leaklab.lab.forecast import Capacities, Forecast, forecasts
from leaklab.measure.run_trace import COMPLETED, Ending, Outcome, Trace
from leaklab.measure.summary import MetricSummary, summarize
from leaklab.metrics import METRICS, Judge

MOMENTS = ("baseline", "peak", "end", "returned", "collected")
"""The moments of a metric's summary, in order."""


def half_label(half: str) -> str:
    """What people call a half."""
    return {"almost": "partial fix", "almost2": "partial fix 2"}.get(half, half)


def median(values: Sequence[float]) -> float:
    """The median of at least one value."""
    if len(values) == 1:
        return values[0]
    import statistics

    return statistics.median(values)


@dataclass(frozen=True)
class MeasuredRun:
    """One measured run of one half, and what was wrong with its work (None if nothing).

    Attributes:
        steps: how many steps of work it was given; 0 where the work has no steps.
        others: runs of the same half with other numbers of steps, in order; those that did their work are compared.
        known: of a control half, what it is known to do, as (kind, metric): it is judged by one run.
    """

    trace: Trace
    complaint: str | None
    steps: int = 0
    others: tuple["MeasuredRun", ...] = ()
    known: tuple[tuple[str, str], ...] | None = None

    @property
    def problem(self) -> str | None:
        """Why it cannot be relied on; None if it did its work."""
        if self.trace.outcome is not Outcome.COMPLETED:
            return str(self.trace.ending)
        return None if self.complaint is None else f"it did not do the work: {self.complaint}"

    @cached_property
    def sized(self) -> SizedRun:
        """The numbers of it that are judged."""
        return SizedRun(self.steps, summarize(self.trace))


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """One run of one half: its trace, its summary, and the verdict on it."""

    trace: Trace
    summary: Mapping[str, MetricSummary | None]
    judgement: Judgement
    steps: int = 0

    @property
    def sized(self) -> SizedRun:
        """The numbers of it that are judged."""
        return SizedRun(self.steps, self.summary)

    def reading(self, metric: str, moment: str) -> float | None:
        """The value of `metric` at `moment`: one of MOMENTS, or `per_step`, the growth that was found of it."""
        summary = self.summary[metric]
        if moment != "per_step" or summary is None:
            return None if summary is None else getattr(summary, moment)
        if not self.steps:
            return None
        if METRICS[metric].judge in (Judge.WORK, Judge.DEADLINE):
            return (summary.peak - (summary.baseline or 0)) / self.steps
        return next((one.per_step for one in self.judgement.findings if one.metric == metric and one.per_step), 0.0)


@dataclass(frozen=True, slots=True)
class HalfResult:
    """All runs of one half (at least one, in order), the verdict on them, and what is wrong with its work, if anything.

    `forecast` has the consequences if it goes on like its first run; `suspected` what was there in a half without a
    verdict, with its evidence, if that was asked for.
    """

    half: str
    runs: tuple[JudgedRun, ...]
    judgement: Judgement
    complaint: str | None
    forecast: tuple[Forecast, ...] = ()
    suspected: tuple[Finding, ...] = ()

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
        """Seconds spent in `run`, the median of all runs."""
        return median([run.trace.elapsed_s for run in self.runs])

    @property
    def looks(self) -> int:
        """How often the half was run for one measurement: more than once if its answer came late."""
        return max(run.trace.looks for run in self.runs)

    def values(self, metric: str, moment: str) -> list[float]:
        """The values of `metric` at `moment` (one of MOMENTS, or `per_step`) in each run, if they could be read."""
        values = [run.reading(metric, moment) for run in self.runs]
        return [value for value in values if value is not None]

    def value(self, metric: str, moment: str) -> float | None:
        """The median over all runs, None if it could not be read."""
        values = self.values(metric, moment)
        if not values:
            return None
        middle = median(values)
        return int(middle) if METRICS[metric].unit != "seconds" and float(middle).is_integer() else middle

    def rise(self, metric: str, moment: str) -> float | None:
        """How far `metric` was above its baseline at `moment`, None if it could not be read."""
        value, baseline = self.value(metric, moment), self.value(metric, "baseline")
        return None if value is None or baseline is None else value - baseline

    def was_read(self, metric: str) -> bool:
        """Whether any run could read the metric at all."""
        return any(run.summary[metric] is not None for run in self.runs)


@dataclass(frozen=True, slots=True)
class Result:
    """The measurement of a scenario: its halves, and whether each is as expected.

    Attributes:
        scenario: its id.
        mongo: the MongoDB server that was named, if any.
        python: the version of the interpreter that runs leaklab, and the halves in Python.
        go: the version of Go that built the halves; None if they are in Python.
        halves: by name, in the order they are shown.
        telling: the key metrics, which show this scenario's leak.
        interrupted: whether it was interrupted before all halves had run.
        bounds: the scenario's thresholds, with these settings.
        measured_at: when it was measured; None if it was not.
    """

    scenario: str
    settings: Settings
    mongo: str | None
    python: str
    halves: Mapping[str, HalfResult]
    expected: Mapping[str, Expected]
    telling: tuple[str, ...]
    interrupted: bool = False
    go: str | None = None
    bounds: Thresholds = field(default_factory=Thresholds)
    measured_at: datetime | None = None

    @property
    def language(self) -> str:
        """The name of the language of its halves."""
        return (PYTHON if self.go is None else GO).name

    @property
    def title(self) -> str:
        """What people call it: its scenario, and the language if that is not Python."""
        return self.scenario if self.go is None else f"{self.scenario} in {GO.label}"

    @property
    def surprises(self) -> list[str]:
        """What is not as the scenario expects, as sentences."""
        return [
            f"{name}: {words}"
            for name, half in self.halves.items()
            for words in half_surprises(half, self.expected.get(name))
        ]

    @property
    def as_expected(self) -> bool:
        """Whether every half is as the scenario expects."""
        return not self.surprises

    @property
    def timed_out(self) -> bool:
        """Whether a half reached its time limit that is not expected to hang."""
        return any(
            half.outcome is Outcome.TIMED_OUT and not self.expected.get(name, LEAKS_NOTHING).may_hang
            for name, half in self.halves.items()
        )


def combine(judgements: Sequence[Judgement]) -> Judgement:
    """The verdict on several runs of the same half: their common one, or inconclusive if they disagree."""
    verdicts = Counter(judgement.verdict for judgement in judgements)
    if len(verdicts) > 1:
        counted = ", ".join(f"{count} × {verdict}" for verdict, count in verdicts.most_common())
        doubts = [doubt for judgement in judgements for doubt in judgement.doubts]
        disagree = f"{len(judgements)} runs disagree ({counted}); try a higher --repeat on a quieter machine"
        return Judgement(Verdict.INCONCLUSIVE, (), (disagree, *dict.fromkeys(doubts)))
    first, *others = judgements
    found = [{(finding.kind, finding.metric) for finding in judgement.findings} for judgement in others]
    common = tuple(f for f in first.findings if all((f.kind, f.metric) in shared for shared in found))
    # If they share no finding, those of the first run are shown.
    return replace(first, findings=common or first.findings)


def half_surprises(half: HalfResult, expected: Expected | None) -> list[str]:
    """How `half` differs from its expectation, as sentences."""
    if half.outcome is Outcome.INTERRUPTED and half.error is not None:
        return [half.error]
    found = {(finding.kind.value, finding.metric) for finding in half.judgement.findings}
    surprises: list[str] = []
    hung = expected is not None and expected.may_hang and half.outcome is Outcome.TIMED_OUT
    if expected is not None and expected.verdict == CRASHES:
        crashed = half.outcome is Outcome.CRASHED
        return [] if crashed else [f"{half.outcome}, and it is expected to crash"]
    if half.error is not None and not hung:
        surprises.append(f"{half.outcome}: {half.error}")
    if half.complaint is not None:
        surprises.append(f"it did not do the work: {half.complaint}")
    if expected is None or expected.verdict == "either":
        return surprises
    if half.judgement.verdict.value != expected.verdict:
        surprises.append(f"verdict {half.judgement.verdict}, expected {expected.verdict}")
    elif missing := [finding for finding in expected.findings if finding not in found]:
        surprises.extend(f"{kind} {metric} was expected but not found" for kind, metric in missing)
    return surprises


def half_result(
    half: str, done: Sequence[MeasuredRun], bounds: Thresholds, capacities: Capacities | None = None
) -> HalfResult:
    """Summarize and judge the runs of one half; `capacities` are the limits for its forecast."""
    runs: list[JudgedRun] = []
    for one in done:
        run = one.sized
        usable = [other.sized for other in one.others if other.problem is None]
        doubts = [f"at {other.steps:,} steps {other.problem}" for other in one.others if other.problem is not None]
        judgement = judge(one.trace, run, bounds, usable, doubts=doubts, known=one.known)
        runs.append(JudgedRun(one.trace, run.summary, judgement, one.steps))
    complaint = next((one.complaint for one in done if one.complaint is not None), None)
    judgement = combine([run.judgement for run in runs])
    if complaint is not None and judgement.verdict is Verdict.CLEAN:
        # A half that skips the work has nothing to leak.
        judgement = Judgement(Verdict.INCONCLUSIVE, (), (f"it did not do the work: {complaint}",))
    stopped = any(other.problem is not None for one in done for other in one.others)
    ahead = () if stopped else forecasts(runs[0].sized, judgement.findings, capacities or Capacities())
    return HalfResult(half, tuple(runs), judgement, complaint, ahead)
