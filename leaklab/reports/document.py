"""What `--json` prints, and the JSON Schema of it: both come from the structs below."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

import leaklab
from leaklab.content.languages import LANGUAGES
from leaklab.doctor.health import Health, HealthCheck
from leaklab.judge.findings import Finding, MetricName, Quantity, Verdict, Words
from leaklab.lab.forecast import Forecast
from leaklab.lab.prediction import Prediction, is_right
from leaklab.lab.result import MOMENTS, HalfResult, Result
from leaklab.lab.tracing import TracedProgram, TraceMoment
from leaklab.lab.until_failure import Failure
from leaklab.measure.counting import COUNTER, Way
from leaklab.measure.run_trace import Outcome, Phase, Sample
from leaklab.measure.sampler import by_metric
from leaklab.measure.source_line import SourceLine
from leaklab.measure.tree import COUNTERS
from leaklab.metrics import METRICS, Metric, Moment
from leaklab.workshop.check_result import CheckResult, CheckState, FirstSeen
from leaklab.workshop.learners import Learner
from leaklab.workshop.progress_file import Exercise

SCHEMA: Literal[2] = 2
"""The version of the documents' form. It rises when a reader of the old form would misread the new one."""

Document = dict[str, Any]

Count = Annotated[int, Meta(ge=0)]
Value = Quantity | None
SchemaVersion = Annotated[Literal[2], Meta(description="The version of this document's form.")]
LeaklabVersion = Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+", description="The version of leaklab that measured.")]
ScenarioId = Annotated[Words, Meta(description="The scenario's id: the name of its folder, with hyphens.")]
Unit = Annotated[str, Meta(extra_json_schema={"enum": sorted({metric.unit for metric in METRICS.values()})})]


class _Open(Struct, kw_only=True):
    """An object that may get further keys without a new version of the form."""


class _Closed(Struct, kw_only=True, forbid_unknown_fields=True):
    """An object that has these keys and no others."""


class RunsDocument(_Closed):
    """With --repeat: what each run read, in order, without the runs that could not read it."""

    baseline: list[Quantity]
    peak: list[Quantity]
    end: list[Quantity]
    returned: list[Quantity]
    collected: list[Quantity]
    per_step: list[float]


class MetricDocument(_Closed):
    """One metric at the moments that matter; the medians of several runs. A value that could not be read is null."""

    unit: Unit
    baseline: Annotated[Value, Meta(description="Before `run` was called.")]
    peak: Annotated[Quantity, Meta(description="The highest value.")]
    end: Annotated[Value, Meta(description="At the end of the last step; null if it was not reached.")]
    returned: Annotated[Value, Meta(description="Just after `run` returned or raised.")]
    collected: Annotated[Value, Meta(description="After gc.collect() and the wait for whatever was still ending.")]
    per_step: Annotated[float | None, Meta(description="Growth per step; null if there are no steps.")]
    runs: RunsDocument | UnsetType = UNSET


class SampleHead(_Closed):
    """When a sample was taken."""

    phase: Phase
    steps_done: Annotated[Count, Meta(description="Steps that the half had finished.")]
    at_s: Annotated[Quantity, Meta(description="Seconds since `run` was called, without the pauses for samples.")]


def _fields(kind: Any, metrics: Iterable[Metric]) -> list[tuple[str, Any]]:
    """A field for each metric, as `msgspec.defstruct` takes them."""
    return [(metric.name, Annotated[kind, Meta(description=f"{metric.label} ({metric.unit})")]) for metric in metrics]


_SAMPLED = [metric for metric in METRICS.values() if metric.unit != "seconds"]
"""The metrics of a sample; its time is `at_s`."""

_OfEach = msgspec.defstruct("_OfEach", _fields(MetricDocument | None, METRICS.values()), bases=(_Closed,))
_OfASample = msgspec.defstruct("_OfASample", _fields(Value, _SAMPLED), bases=(SampleHead,))


_TRACED = [metric for metric in METRICS.values() if metric.counter in (*COUNTERS, COUNTER)]
"""The metrics of a traced program."""

_OfATrace = msgspec.defstruct("_OfATrace", _fields(Value, _TRACED), bases=(_Closed,))


class MetricsDocument(_OfEach):  # type: ignore[misc,valid-type] # fields from METRICS
    """What was counted. Null: it could not be read, or no service of this scenario counts it."""


class SampleDocument(_OfASample):  # type: ignore[misc,valid-type] # fields from METRICS
    """What all probes read at one moment; a metric that was not read at that moment is null."""


class HalfDocument(_Open):
    """All runs of one half. May get further keys."""

    outcome: Annotated[Outcome, Meta(description="How it ended; of several runs, the first that did not complete.")]
    error: Annotated[str | None, Meta(description="What ended it, in words; null if it completed.")]
    elapsed_s: Annotated[Quantity, Meta(description="Seconds in `run`, without the pauses for samples.")]
    steps: Annotated[Count, Meta(description="Steps it began; the most of several runs.")]
    waited_s: Annotated[Quantity, Meta(description="Seconds waited after gc for whatever was still ending; the most.")]
    looks: Annotated[
        int, Meta(ge=1, description="Times it was run for one measurement: again if it was late; the most.")
    ]
    verdict: Annotated[Verdict, Meta(description="What the half is, according to its findings.")]
    findings: Annotated[list[Finding], Meta(description="The reasons for the verdict `leaks`; else empty.")]
    doubts: Annotated[list[Words], Meta(description="What prevented a decision, in words, with what to do.")]
    suspected: Annotated[
        list[Finding], Meta(description="Without a verdict: what was there, and may be a leak or not.")
    ]
    complaint: Annotated[str | None, Meta(description="What is wrong with the work it did; null if nothing is.")]
    forecast: Annotated[list[Forecast], Meta(description="What happens if it goes on like this.")]
    metrics: MetricsDocument
    output: Annotated[str, Meta(description="What the half printed, cut to a bounded length; several runs in a row.")]
    shared_memory_left: Annotated[list[str], Meta(description="The shared memory that it left, and that was removed.")]
    samples: Annotated[list[list[SampleDocument]] | UnsetType, Meta(description="With --samples, by run.")] = UNSET


class EnvironmentDocument(_Open):
    """Where it was measured. May get further keys."""

    python: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+", description="The Python that ran the halves.")]
    mongo: Annotated[str | None, Meta(description="The MongoDB server that was used; null if none was.")]
    language: Annotated[str, Meta(description="The language of the halves.", extra_json_schema={"enum": [*LANGUAGES]})]
    go: Annotated[str | None, Meta(description="The Go that built the halves; null if they are in Python.")]


class UntilFailureDocument(_Closed):
    """With --until-failure: how the leaky half ended under a low limit."""

    resource: Annotated[Words, Meta(description="What was limited.")]
    limit: Annotated[int, Meta(ge=1, description="The limit: bytes of memory, or how many.")]
    steps_foretold: Annotated[Count, Meta(description="Whole steps after which it was predicted to die.")]
    died_at_step: Annotated[Count | None, Meta(description="Whole steps it had done when it died; null if it lived.")]
    error: Annotated[str | None, Meta(description="The error that a user would see; null if it lived.")]
    held: Annotated[Finding | None, Meta(description="What grew until it died; null if it lived.")]


class GuessDocument(_Closed):
    """What one person guessed, or all who raised their hands for it."""

    who: Annotated[str | None, Meta(description="Whose guess it is; null in a tally, or if only one person was asked.")]
    count: Annotated[int, Meta(ge=1, description="How many people made it: more than 1 only in a tally.")]
    guess: Annotated[Quantity, Meta(description="In the unit.")]
    right: Annotated[bool, Meta(description="Whether it is right: counts exactly, seconds and bytes within 20 %.")]


class PredictionDocument(_Closed):
    """With --predict: one figure that was guessed before it was measured."""

    half: Words
    metric: MetricName
    moment: Moment
    unit: Unit
    measured: Annotated[Value, Meta(description="Null if it could not be read.")]
    guesses: Annotated[list[GuessDocument], Meta(description="As given: of each file, the rows and then the tallies.")]
    median: Annotated[Value, Meta(description="The median of what people guessed; null without guesses.")]
    closest: Annotated[
        list[str], Meta(description="Whose guess came closest; several if equally close. A tally has no names.")
    ]
    right: Annotated[Count, Meta(description="How many people are right.")]


class ResultDocument(_Open):
    """What `leaklab run` measured of one scenario. May get further keys."""

    schema: SchemaVersion
    leaklab: LeaklabVersion
    scenario: ScenarioId
    settings: Annotated[dict[str, float | str], Meta(description="By name; sizes in bytes, durations in seconds.")]
    environment: EnvironmentDocument
    halves: Annotated[dict[str, HalfDocument], Meta(min_length=1, description="By name; yours is a learner's file.")]
    interrupted: Annotated[bool, Meta(description="Whether it was interrupted before all halves had run.")]
    as_expected: Annotated[bool, Meta(description="Whether every half is what the scenario says it is.")]
    surprises: Annotated[list[Words], Meta(description="What is not as the scenario says; empty if all is.")]
    until_failure: UntilFailureDocument | UnsetType = UNSET
    predictions: list[PredictionDocument] | UnsetType = UNSET


class ComparisonDocument(_Closed):
    """What `leaklab compare` measured of several scenarios."""

    schema: SchemaVersion
    results: Annotated[list[ResultDocument], Meta(description="In the order they were run; fewer if interrupted.")]


class ExerciseDocument(_Closed):
    """The learner's progress on an exercise."""

    scenario: ScenarioId
    started: Annotated[str, Meta(description="When it was started, as ISO 8601.")]
    attempts: Annotated[Count, Meta(description="How often it was checked.")]
    hints: Annotated[Count, Meta(description="How many hints were shown.")]
    solved: Annotated[str | None, Meta(description="When a check first found it fixed; null if none has.")]
    scenarios: Annotated[str | None, Meta(description="The folder of its scenario; null for a built-in scenario.")]


class StandingDocument(ExerciseDocument):
    """How far an exercise has come."""

    file: Annotated[Words, Meta(description="The name of its file.")]
    minutes: Annotated[
        Count, Meta(description="Whole minutes from its start until it was solved; until now if it is not.")
    ]


class LearnerDocument(_Closed):
    """A folder of exercises."""

    who: Annotated[Words, Meta(description="What tells the folder from the others: as a rule, its name.")]
    folder: Annotated[Words, Meta(description="The folder, as it was given.")]
    stuck: Annotated[
        Count | None,
        Meta(description="Whole minutes since an exercise was last started or solved; null if all are solved."),
    ]
    exercises: Annotated[list[StandingDocument], Meta(min_length=1, description="In the order of the course.")]


class ProgressDocument(_Closed):
    """What `leaklab progress` found in learners' folders."""

    schema: SchemaVersion
    leaklab: LeaklabVersion
    learners: Annotated[list[LearnerDocument], Meta(description="Who is stuck longest comes first.")]


class CheckDocument(_Closed):
    """What `leaklab check` found in a learner's file."""

    schema: SchemaVersion
    leaklab: LeaklabVersion
    scenario: ScenarioId
    file: Annotated[Words, Meta(description="The name of the file.")]
    fixed: Annotated[bool, Meta(description="Whether it does the work and leaks nothing.")]
    state: CheckState
    reason: Annotated[str, Meta(description="Why, in a sentence; empty if it is fixed.")]
    remedy: Annotated[str, Meta(description="What to do next; empty if there is nothing to do.")]
    finding: Annotated[Finding | None, Meta(description="What still leaks; null if nothing does.")]
    also_with: Annotated[list[str], Meta(description="Other choices of settings that a fixed file was tried with.")]
    first_showed: Annotated[FirstSeen | None, Meta(description="Null if the steps do not say.")]
    place: Annotated[SourceLine | None, Meta(description="Null if no line is known.")]
    exercise: Annotated[ExerciseDocument | None, Meta(description="Null if the file is not from `leaklab start`.")]
    result: Annotated[ResultDocument | None, Meta(description="What was measured; null if it was not run.")]


class EndpointDocument(_Closed):
    """TCP connections of a traced program that lead to one place and have one state."""

    end: Annotated[Words, Meta(description="Where they lead: to an address, or from the clients of one of its ports.")]
    state: Words
    count: Annotated[int, Meta(ge=1)]


class TraceMetricsDocument(_OfATrace):  # type: ignore[misc,valid-type] # fields from METRICS
    """What was counted at one moment; null if it could not be."""


class TraceMomentDocument(_Closed):
    """What a traced program and all that it started had at one moment. What could not be read is null."""

    loads: Annotated[Count, Meta(description="Loads that were done, without the one that warms up.")]
    at_s: Annotated[Quantity, Meta(description="Seconds since the trace began.")]
    metrics: TraceMetricsDocument
    descriptors: Annotated[dict[str, Count], Meta(description="File descriptors, by kind.")]
    connections: list[EndpointDocument]
    unread: Annotated[list[int], Meta(description="Processes whose descriptors may not be looked at.")]


class TraceDocument(_Closed):
    """What `leaklab trace` measured of a program."""

    schema: SchemaVersion
    leaklab: LeaklabVersion
    command: Annotated[list[str], Meta(description="How it was started; empty with --pid.")]
    pid: Annotated[int, Meta(ge=1)]
    load: Annotated[str | None, Meta(description="The load; null if it was watched by the clock.")]
    counted_by: Annotated[Way, Meta(description="How its connections were counted.")]
    why_unknown: Annotated[str, Meta(description="Why they could not be; empty if they could.")]
    verdict: Verdict
    findings: Annotated[list[Finding], Meta(description="The reasons for the verdict `leaks`; else empty.")]
    doubts: Annotated[list[Words], Meta(description="What prevented a decision, in words, with what to do.")]
    moments: Annotated[list[TraceMomentDocument], Meta(min_length=1, description="Before the work, and after it.")]
    exit_code: Annotated[
        int | None, Meta(description="The program's own, a signal as a negative number; null if leaklab ended it.")
    ]
    interrupted: Annotated[bool, Meta(description="Whether it was interrupted.")]


class HealthCheckDocument(_Closed):
    """One thing that the doctor checked."""

    name: Annotated[Words, Meta(description="What was checked.")]
    state: Health
    found: Annotated[Words, Meta(description="What was found, with its figures.")]
    remedy: Annotated[Words | None, Meta(description="What to do; null if there is nothing to do.")]


class CheckupDocument(_Closed):
    """What `leaklab doctor` found on this machine."""

    schema: SchemaVersion
    leaklab: LeaklabVersion
    works: Annotated[bool, Meta(description="Whether no check failed.")]
    checks: list[HealthCheckDocument]


class LeakDocument(_Closed):
    """A leak that a test has, or a fixture: a finding whose steps are the runs of the test."""

    test: Annotated[str, Meta(description="The test's id, as pytest writes it; of a fixture, its file and name.")]
    certain: Annotated[bool, Meta(description="Whether it is beyond doubt; if not, it may be a pool's.")]
    known: Annotated[bool, Meta(description="Whether the baseline has it.")]
    finding: Finding


class LeaksDocument(_Closed):
    """What the pytest plugin found: `--leaklab-format json`."""

    schema: SchemaVersion
    leaklab: LeaklabVersion
    leaks: list[LeakDocument]


def schema() -> Document:
    """The JSON Schema (2020-12) of every document."""
    documents = [
        ResultDocument, ComparisonDocument, CheckDocument, ProgressDocument, CheckupDocument, TraceDocument,
        LeaksDocument,
    ]  # fmt: skip
    references, definitions = msgspec.json.schema_components(documents, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:leaklab:result:{SCHEMA}",
        "title": "leaklab's documents",
        "description": "What --json prints. A result, its environment and a half may get further keys without a new "
        "version: skip those you do not know. Every other object is closed. A value that could not be read is null, "
        "never 0.",
        "anyOf": list(references),
        "$defs": definitions,
    }


# ---- from results to documents


def leaks_document(leaks: Sequence[Document]) -> Document:
    """The leaks of a test session, each as a LeakDocument says, as one document."""
    return _plain(LeaksDocument(**_HEAD, leaks=msgspec.convert(leaks, list[LeakDocument])))


def result_document(result: Result, *, samples: bool = False) -> Document:
    """One scenario's result as JSON values; with `samples`, the samples of each run too."""
    return _plain(_result(result, samples=samples))


def comparison_document(results: Sequence[Result], *, samples: bool = False) -> Document:
    """Several scenarios' results as one document."""
    measured = [_result(result, samples=samples) for result in results]
    return _plain(ComparisonDocument(schema=SCHEMA, results=measured))


def failure_document(failure: Failure, *, samples: bool = False) -> Document:
    """The result document of both halves under the limit, with how the leaky half ended."""
    document = _result(failure.result, samples=samples)
    document.as_expected = failure.as_expected
    document.surprises = [] if failure.as_expected else ["the leaky half did not die, or the fixed half did"]
    document.until_failure = _filled(UntilFailureDocument, failure, steps_foretold=failure.forecast.steps)
    return _plain(document)


def predicted_document(result: Result, predicted: Sequence[Prediction], *, samples: bool = False) -> Document:
    """The result document with what was predicted of it."""
    document = _result(result, samples=samples)
    document.predictions = [_prediction(prediction) for prediction in predicted]
    return _plain(document)


def check_document(check: CheckResult, exercise: Exercise | None = None) -> Document:
    """A check as JSON values, with the result document of what was measured."""
    progress = exercise and _filled(ExerciseDocument, exercise)
    result = check.result and _result(check.result, samples=False)
    others = {"file": check.file.name, "first_showed": check.showed, "exercise": progress, "result": result}
    return _plain(_filled(CheckDocument, check, **_HEAD, **others))


def progress_document(learners: Sequence[Learner]) -> Document:
    """The progress of learners as JSON values."""
    listed = [
        LearnerDocument(
            who=learner.who,
            folder=str(learner.folder),
            stuck=learner.stuck,
            exercises=[
                _filled(StandingDocument, standing.exercise, file=standing.file, minutes=standing.minutes)
                for standing in learner.standings
            ],
        )
        for learner in learners
    ]
    return _plain(ProgressDocument(**_HEAD, learners=listed))


def checkup_document(checks: Sequence[HealthCheck]) -> Document:
    """The doctor's checks as JSON values."""
    works = all(check.state is not Health.FAILED for check in checks)
    listed = [_filled(HealthCheckDocument, check, remedy=check.remedy or None) for check in checks]
    return _plain(CheckupDocument(**_HEAD, works=works, checks=listed))


def trace_document(traced: TracedProgram) -> Document:
    """A traced program as JSON values."""
    judgement = traced.judgement
    return _plain(
        _filled(
            TraceDocument,
            traced,
            **_HEAD,
            command=list(traced.command),
            counted_by=traced.way,
            verdict=judgement.verdict,
            findings=list(judgement.findings),
            doubts=list(judgement.doubts),
            moments=[_trace_moment(moment) for moment in traced.moments],
        )
    )


def _trace_moment(moment: TraceMoment) -> TraceMomentDocument:
    reading = moment.reading
    ends = [EndpointDocument(end=end, state=state, count=count) for (end, state), count in reading.ends.items()]
    return TraceMomentDocument(
        loads=moment.loads,
        at_s=moment.at_s,
        metrics=TraceMetricsDocument(**by_metric(reading.counters)),
        descriptors=dict(reading.kinds),
        connections=ends,
        unread=list(reading.unread),
    )


S = TypeVar("S", bound=Struct)

_plain: Callable[[Struct], Document] = msgspec.to_builtins
_HEAD: Document = {"schema": SCHEMA, "leaklab": leaklab.__version__}


def _filled(kind: type[S], source: object, **others: object) -> S:
    """The struct of `others` and, for its other fields, the attributes of `source` that have their names."""
    names = [name for name in kind.__struct_fields__ if name not in others and hasattr(source, name)]
    return kind(**{name: getattr(source, name) for name in names}, **others)


def _result(result: Result, *, samples: bool) -> ResultDocument:
    halves = {name: _half(half, samples=samples) for name, half in result.halves.items()}
    settings, environment = result.settings.given(), _filled(EnvironmentDocument, result)
    return _filled(ResultDocument, result, **_HEAD, settings=settings, environment=environment, halves=halves)


def _half(half: HalfResult, *, samples: bool) -> HalfDocument:
    traces = [run.trace for run in half.runs]
    return _filled(
        HalfDocument,
        half,
        steps=max(trace.steps for trace in traces),
        waited_s=max(trace.waited_s for trace in traces),
        verdict=half.judgement.verdict,
        findings=list(half.judgement.findings),
        doubts=list(half.judgement.doubts),
        suspected=list(half.suspected),
        forecast=list(half.forecast),
        metrics=MetricsDocument(**{name: _metric(half, name) for name in METRICS}),
        output="".join(trace.output for trace in traces),
        shared_memory_left=[name for trace in traces for name in trace.shared_memory],
        samples=[[_sample(sample) for sample in trace.samples] for trace in traces] if samples else UNSET,
    )


def _metric(half: HalfResult, name: str) -> MetricDocument | None:
    if not half.was_read(name):
        return None
    moments = (*MOMENTS, "per_step")
    read: Document = {moment: half.value(name, moment) for moment in moments}
    runs = RunsDocument(**{moment: half.values(name, moment) for moment in moments}) if len(half.runs) > 1 else UNSET
    return MetricDocument(unit=METRICS[name].unit, **read, runs=runs)


def _sample(sample: Sample) -> SampleDocument:
    return _filled(SampleDocument, sample, **{metric.name: sample.get(metric.name) for metric in _SAMPLED})


def _prediction(prediction: Prediction) -> PredictionDocument:
    question, measured = prediction.question, prediction.measured
    return _filled(
        PredictionDocument,
        prediction,
        half=question.half,
        metric=question.metric,
        moment=question.reading,
        unit=question.counted.unit,
        guesses=[
            GuessDocument(who=guess.who, count=guess.people, guess=guess.value, right=is_right(guess, measured))
            for guess in prediction.guesses
        ],
        closest=[guess.who for guess in prediction.closest if guess.who is not None],
        right=sum(guess.people for guess in prediction.right),
    )
