"""What a scenario author uses: `Scenario`, its workload, and what is expected of its halves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from leaklab.content.annotations import shown
from leaklab.content.settings import Settings, Value
from leaklab.metrics import ELAPSED, METRICS, FindingKind, Judge
from leaklab.services.endpoints import HttpEndpoint, MongoEndpoint

HALVES = ("leaky", "fixed")
"""The halves that every scenario has."""

PARTIAL_FIXES = ("almost", "almost2")
"""The halves that it may have too: fixes that tempt, and are not enough."""

ALL_HALVES = ("leaky", *PARTIAL_FIXES, "fixed")
"""All halves that there can be, in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Lab:
    """What a workload is made from: `lab.settings` and `lab.steps`; `lab.http` and `lab.mongo` if asked for."""

    settings: Settings
    endpoints: Mapping[str, Any] = field(default_factory=dict)

    @property
    def http(self) -> HttpEndpoint:
        """The HTTP service. Raises LookupError if the scenario did not ask for `http`."""
        return cast("HttpEndpoint", self._endpoint("http"))

    @property
    def mongo(self) -> MongoEndpoint:
        """The MongoDB server. Raises LookupError if the scenario did not ask for `mongo`."""
        return cast("MongoEndpoint", self._endpoint("mongo"))

    def _endpoint(self, kind: str) -> Any:
        if kind not in self.endpoints:
            raise LookupError(f'the scenario uses lab.{kind} but has no "{kind}" among its services')
        return self.endpoints[kind]

    @property
    def steps(self) -> int:
        """The number of steps. Raises LookupError if the scenario has none."""
        if self.settings.steps is None:
            raise LookupError("the scenario uses lab.steps but its settings have no steps")
        return self.settings.steps


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents that the lab inserts before a half runs.

    Attributes:
        collection: its name.
        count: how many: a number, or a function of the settings if there must be more of them for more steps.
        document: one document: `{n}` in its strings stands for its number, and None is the number itself.
        first: the number of the first.
        capped: bytes of a capped collection; 0 for an ordinary one.
    """

    collection: str
    count: int | Callable[[Settings], int]
    document: Mapping[str, object]
    first: int = 1
    capped: int = 0


CRASHES = "crashes"
"""The verdict that is expected of a half which an error is to end."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be found of a half: its verdict, and findings, as (kind, metric), that must be among those found.

    The verdict is `leaks`, `clean`, or `crashes` for a half that is to be ended by an error; for a partial fix that
    depends on a background thread's timing also `either`.
    The kinds of finding are `leaked`, `held`, `wasted` and `stalled`; the metrics are those of `leaklab.metrics`.
    A half that is expected to be `stalled` in `elapsed` may hang, and be ended at its time limit.
    Where all settings of `unless` have these values, the half leaks nothing.
    """

    verdict: str
    findings: tuple[tuple[str, str], ...] = ()
    unless: Mapping[str, Value] = field(default_factory=dict)

    def given(self, settings: Settings) -> "Expected":
        """What must be found with these settings."""
        spared = self.unless and all(settings[name] == value for name, value in self.unless.items())
        return LEAKS_NOTHING if spared else self

    @property
    def grows(self) -> bool:
        """Whether something must be found that grows with the work, which a second run confirms."""
        metrics = (METRICS[name] for _, name in self.findings)
        return any(metric.judge is not Judge.DEADLINE and not metric.budgeted for metric in metrics)

    @property
    def may_hang(self) -> bool:
        """Whether it is no surprise if the half is ended at its time limit."""
        return (FindingKind.STALLED, ELAPSED.name) in self.findings


LEAKS_NOTHING = Expected("clean")


@dataclass(frozen=True, slots=True, kw_only=True)
class InGo:
    """How the halves in Go differ, by the fields of `Scenario`; None stands for the same as in Python.

    `why` takes the place of the lesson's block quote, the one line of why under a result.
    """

    expected: Mapping[str, Expected] | None = None
    workload: Callable[[Lab], Mapping[str, object]] | None = None
    check_answer: Callable[[Lab, object], str | None] | None = None
    requests: Callable[[Settings], Mapping[str, int | range]] | None = None
    telling: tuple[str, ...] | None = None
    leaks: str | None = None
    summary: str | None = None
    task: str | None = None
    hints: tuple[str, ...] | None = None
    release: str | None = None
    why: str | None = None


def difference(answer: object, expected: Sequence[object], what: str) -> str | None:
    """What is wrong with an answer that must be a list of so many things; None if nothing is.

    Args:
        answer: what `run` returned.
        expected: what it must return.
        what: what the list holds, in words: `the sizes of 50 profiles in order`.
    """
    if answer == expected:
        return None
    if answer is None:
        got = "None: is there a return at its end?"
    elif not isinstance(answer, list):
        got = f"the {type(answer).__name__} {shown(answer, 60)}"
    else:
        pairs = enumerate(zip(answer, expected, strict=False))
        wrong = (f"{shown(it, 60)} at [{n}], where {shown(must, 60)} must be" for n, (it, must) in pairs if it != must)
        got = next(wrong, f"{len(answer):,} of them")
    return f"expected {what}, got {got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One leak pattern: what it is called, what its halves get, and what must come out.

    Attributes:
        title: the pattern's name in words.
        number: its place in the course; scenarios without one come last.
        minutes: how long the exercise takes; None if nobody has tried it yet.
        difficulty: of the exercise, `easy`, `medium` or `hard`; empty if that is not known.
        leaks: what is left open, for how long, in a few words.
        summary: one line on how it happens.
        settings: what a person can set, with the defaults.
        learners: other defaults, by name, for checks of a learner's file, if those of `settings` would take too long.
        services: what the halves talk to: `http`, `mongo`.
        requires: packages that the halves need and that leaklab does not bring, by the name that is imported; one that
            pip knows by another name as `bs4=beautifulsoup4`.
        workload: the arguments of `run`, plain values and `Steps`, the same for all halves.
        check_answer: what is wrong with the answer of a half, None if nothing is.
        requests: how many requests of each route of the HTTP service the work takes; a HEAD, POST or PUT
            is a route of its own (`HEAD profiles`). For MongoDB, `read`: how many commands that ask for documents
            (find, aggregate, count, distinct); `write`: how many that change or drop some. A range where a caller that
            gives up early may keep some of them from being sent.
        documents: what is in the database before a half runs.
        expected: per half, what must be found.
        telling: the metrics that show the leak: tables highlight them.
        buffer: bytes that a half is expected to hold at once; None if they do not matter. A run that needs more than
            the machine can spare is refused.
        memory_budget: bytes of RSS above the baseline that may still be held at the last step; None for no budget.
        deadline: seconds within which the caller needs its answer; None for the setting `deadline`, if there is one.
        hang: seconds after which a dead service answers; None where there is none.
        concurrency: how many things (connections, threads, tasks) a half may have open at the same time by design;
            None if it works through its items one by one.
        second_steps: the steps of the second run, which shows what grows with the work; None for the lab's own choice.
            It is for scenarios whose steps are slow; where it is the steps of the first run, the lab chooses.
        time_limit: seconds that a half may run, unless `--limit time=` says otherwise; None for the lab's own limits.
        check_error: whether an error that `run` raised is accepted as an answer, given its words (`Type: message` and
            the line that raised it); None if no error is.
        task: one more sentence for the learner who is to fix the leaky half; may be empty.
        hints: shown one at a time, from the symptom almost to the fix.
        release: why the fixed half's lines release what leaks, in a sentence: shown with the solution; may be empty.
        go: what differs for the halves in Go, if there are any beside those in Python.
    """

    title: str
    leaks: str
    summary: str
    workload: Callable[[Lab], Mapping[str, object]]
    expected: Mapping[str, Expected]
    telling: tuple[str, ...]
    number: int = 1_000
    minutes: int | None = None
    difficulty: Literal["", "easy", "medium", "hard"] = ""
    settings: Settings = field(default_factory=Settings)
    learners: Mapping[str, Value] = field(default_factory=dict)
    services: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    check_answer: Callable[[Lab, object], str | None] = lambda _lab, _answer: None
    requests: Callable[[Settings], Mapping[str, int | range]] = lambda _settings: {}
    documents: tuple[Documents, ...] = ()
    buffer: Callable[[Settings], int] | None = None
    memory_budget: Callable[[Settings], int] | None = None
    deadline: Callable[[Settings], float] | None = None
    hang: Callable[[Settings], float] | None = None
    concurrency: Callable[[Settings], int] | None = None
    second_steps: Callable[[Settings], int] | None = None
    time_limit: Callable[[Settings], float] | None = None
    check_error: Callable[[Settings, str], bool] | None = None
    task: str = ""
    hints: tuple[str, ...] = ()
    release: str = ""
    go: InGo | None = None

    @property
    def in_go(self) -> "Scenario":
        """The same with the halves in Go."""
        its = self.go or InGo()
        fields = InGo.__dataclass_fields__.keys() & Scenario.__dataclass_fields__.keys()
        differs = {name: value for name in fields if (value := getattr(its, name)) is not None}
        return replace(self, **differs)
