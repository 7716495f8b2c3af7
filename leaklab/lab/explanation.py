"""Explains findings: what a witness is to look at for them, and which of what it said is the evidence for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from leaklab import sentences
from leaklab.content.declaration import Lab
from leaklab.errors import MeasureError
from leaklab.explain.evidence import worth_telling
from leaklab.explain.explaining import AT_LEAST_S, SLOWER, Plan, Statement, Witnessed
from leaklab.judge.findings import Finding
from leaklab.judge.scaling import LEAST, SizedRun, Thresholds, suspects
from leaklab.lab.provision import environment_of, start_services
from leaklab.measure.runtime import PYTHON_RUNTIME, Runtime
from leaklab.metrics import ELAPSED, JUDGED, METRICS, FindingKind, Moment
from leaklab.system.interrupts import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from leaklab.content.catalog import Entry
    from leaklab.content.settings import Settings
    from leaklab.services.client import Services
    from leaklab.system.limits import Limits

LATE = 0.75
"""The share of the seconds that are too late at which a half that does not return is looked at."""

LONG_S = 2.0
"""Seconds from which on the work is explained by less of it."""

MOST_STEPS = 500
"""Steps of that, at most: more say the same of the same lines."""

ENOUGH = 4 * 2**20
"""Bytes of memory that are enough to find what holds them: to trace more of them takes long."""

FEWEST = 5
"""Steps of that, at least."""

MOMENTS = {FindingKind.HELD: ("end", "most"), FindingKind.LEAKED: ("left", "cancelled")}
"""The moments of which the one that shows most is evidence, by the kind of finding; of other kinds, all there are."""

NO_OBJECT = "no Python object of it was found, and no line that opened it"
"""Why there is no evidence if a witness found nothing of it."""

NO_OBJECT_IN_GO = "nothing in a Go process records which line opened it"
"""The same in Go."""

STARTED = "started"
"""What a witness calls the lines that started child processes."""

WITH_ELAPSED = (ELAPSED.counter, "threads", "tasks", "goroutines")
"""What waits when an answer is late."""


@dataclass(frozen=True, slots=True)
class Inside:
    """One half of a scenario, to be looked into: its file, its work and its limits.

    `grows` says that what is looked for grows with the work, even where it is only suspected so far.
    """

    entry: Entry
    path: Path
    settings: Settings
    limits: Limits
    mongo_uri: str | None
    runtime: Runtime = PYTHON_RUNTIME
    grows: bool = False

    def explained(
        self, findings: Sequence[Finding], elapsed_s: float, services: Services, begun: Look | None = None
    ) -> tuple[Finding, ...]:
        """The findings with their evidence, or with the reason why there is none.

        The half took so many seconds. Of a look that was begun before, the answer is taken, if it is one to these.
        """
        try:
            if begun is not None and begun.answers(findings):
                return begun.explained(findings)
            with Owner() as owner:
                return self.look(findings, elapsed_s, services, owner).explained(findings)
        except MeasureError as error:
            # What was measured is whole without it.
            return tuple(replace(one, unexplained=_no_run(str(error))) for one in findings)

    def look(self, findings: Sequence[Finding], elapsed_s: float, services: Services, owner: Owner) -> Look:
        """A run of it beside a witness, which the owner ends. The half took so many seconds when it was measured.

        It is not waited for. Raises MeasureError if the services' process is gone.
        """
        settings, share = self.settings, 1.0
        if (asked := settings.steps) is not None:
            steps = _steps(findings, asked, elapsed_s, grows=self.grows)
            settings, share = settings.with_steps(steps), steps / asked
        plan, scenario = _plan(findings, share), self.entry.scenario
        its = start_services(self.entry, settings, self.mongo_uri, services)
        owner.callback(services.stop, its)
        workload, environment = scenario.workload(Lab(settings, its.endpoints)), environment_of(self.entry)
        half = Witnessed(self.path, workload, plan, services, its, self.limits, environment, self.runtime)
        within_s = AT_LEAST_S + SLOWER * elapsed_s
        return Look(self, plan, settings.steps or 0, within_s, owner.enter_context(half))


@dataclass(frozen=True, slots=True)
class Look:
    """A half that runs beside a witness: by which plan, with how many steps, and how long it may take."""

    inside: Inside
    plan: Plan
    steps: int
    within_s: float
    witnessed: Witnessed

    def answers(self, findings: Sequence[Finding]) -> bool:
        """Whether it looks at what these findings count, at the moment that they are about."""
        needed = _plan(findings, 1.0)
        return (
            needed.late_s is None
            and needed.left.keys() <= self.plan.left.keys()
            and needed.held.keys() <= self.plan.held.keys()
        )

    def explained(self, findings: Sequence[Finding]) -> tuple[Finding, ...]:
        """The findings with their evidence, or with the reason why there is none.

        Raises MeasureError if the services' process is gone.
        """
        statement, asked = self.witnessed.statement(self.within_s), self.inside.settings.steps
        no_object = NO_OBJECT if self.inside.runtime is PYTHON_RUNTIME else NO_OBJECT_IN_GO
        explained = (with_evidence(one, statement, self.inside.path.parent, self.steps, no_object) for one in findings)
        is_less = asked is not None and self.steps < asked
        return tuple(_of_fewer_steps(one, self.steps) if is_less else one for one in explained)


def suspected(run: SizedRun, bounds: Thresholds) -> tuple[Finding, ...]:
    """What was there in a run that nothing else could be compared with, as findings that may be none.

    Where there is a deadline, a doubt is about the time.
    """
    found: list[Finding] = []
    for metric in suspects(run, bounds) if bounds.deadline_s is None else ():
        moment, kind = next(one for one in JUDGED[metric.judge] if run.count(metric, one[0]) or one[0] is Moment.PEAK)
        value = run.count(metric, moment)
        found.append(Finding.of(kind, metric.name, value, 0, sentences.suspected(metric, value, kind)))
    return tuple(found)


def _steps(findings: Sequence[Finding], steps: int, elapsed_s: float, *, grows: bool = False) -> int:
    """The steps of the run that explains these findings: fewer where the work is long, or memory would be much."""
    if not grows and not all(finding.work for finding in findings):
        return steps
    memory = max((finding.value for finding in findings if METRICS[finding.metric].unit == "bytes"), default=0.0)
    share = min(1.0, MOST_STEPS / steps, LONG_S / max(elapsed_s, LONG_S), ENOUGH / max(memory, ENOUGH))
    return max(min(steps, FEWEST), round(steps * share))


def _plan(findings: Sequence[Finding], share: float) -> Plan:
    """What is to be looked at for these findings, in a run of this share of the measured one's steps."""
    left: dict[str, float] = {}
    held: dict[str, float] = {}
    late_s: float | None = None
    for finding in findings:
        counter = METRICS[finding.metric].counter
        if finding.kind is FindingKind.HELD:
            held[counter] = finding.value * share
        elif finding.metric == ELAPSED.name:
            late_s = finding.threshold * LATE
        else:
            left[counter] = finding.value * share
    return Plan(left, held, late_s)


def with_evidence(
    finding: Finding, statement: Statement, folder: Path, steps: int, no_object: str = NO_OBJECT
) -> Finding:
    """The finding with what a witness said of it, after so many steps; or with the reason why there is no evidence.

    The own code is what lies in `folder`.
    """
    counters = WITH_ELAPSED if finding.metric == ELAPSED.name else (METRICS[finding.metric].counter,)
    moments = MOMENTS.get(finding.kind, ("late", "left"))
    groups = [group for counter in counters for group in statement.of(counter, moments)]
    if finding.kind is FindingKind.STALLED:
        # What is past its deadline waits somewhere; what was kept for the next call waits for nothing of the half's.
        waiting = [group for group in groups if group.waits is not None]
        groups = waiting if waiting or finding.metric == ELAPSED.name else groups
    least = LEAST * steps if finding.work and METRICS[finding.metric].unit == "count" else 1
    told = worth_telling(groups, folder, least)
    if told:
        return replace(finding, evidence=tuple(group.evidence(folder) for group in told), unexplained="")
    return replace(finding, unexplained=_why(statement, moments, folder) or no_object)


def _of_fewer_steps(finding: Finding, steps: int) -> Finding:
    """The finding, whose evidence says that it comes from a run of so many steps: its numbers are smaller."""
    words = f", after {steps:,} step{'s' if steps != 1 else ''}"
    told = [
        one if one.kept_by is None else replace(one, kept_by=replace(one.kept_by, through=one.kept_by.through + words))
        for one in finding.evidence
    ]
    return replace(finding, evidence=tuple(told))


def _no_run(trouble: str) -> str:
    return f"the run that was to explain it did not come to that: {trouble}"


def _why(statement: Statement, moments: tuple[str, ...], folder: Path) -> str:
    """Why nothing was found; empty if that is all that can be said."""
    if statement.trouble:
        return _no_run(statement.trouble)
    if not any(moment in statement.looks for moment in moments):
        return "in the run that was to explain it, it did not happen"
    started = worth_telling(statement.of(STARTED, moments), folder, 1)
    lines = [str(line) for group in started if (line := group.evidence(folder).opened) is not None]
    if lines:
        return f"it is not in the process itself, which starts child processes: {', '.join(dict.fromkeys(lines))}"
    return ""
