"""Measures a learner's file next to the leaky and the fixed half, and decides whether it is fixed."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.content.declaration import CRASHES, HALVES
from leaklab.content.languages import PYTHON, language_of
from leaklab.content.settings import CHOICE
from leaklab.golang.building import BuildError
from leaklab.judge.findings import Finding, Judgement, Verdict
from leaklab.judge.scaling import SHARE
from leaklab.lab.complaints import as_answer, gave_up_early, wrong_requests
from leaklab.lab.pair import run_halves, with_evidence
from leaklab.lab.result import MeasuredRun, half_result
from leaklab.lab.run_options import RunOptions, bounds_of
from leaklab.lab.runtimes import runtime_of
from leaklab.measure.run_trace import Ending, Outcome, Phase, Trace
from leaklab.metrics import METRICS, FindingKind, Judge
from leaklab.system.files import read_regular
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S, Limits
from leaklab.system.processes import require_posix
from leaklab.units import format_duration
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.imports import early_modules
from leaklab.workshop.plain_code import rejection
from leaklab.workshop.remedies import FIX_THE_FILE, FIX_THE_LINE, remedy_of_run, remedy_of_shadow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaklab.content.catalog import Entry
    from leaklab.content.declaration import Scenario
    from leaklab.content.settings import Settings
    from leaklab.lab.result import HalfResult, Result
    from leaklab.services.client import Services

NO_SUCH_RUN = r"\brun\(\)|\bfunction (called )?run\b|\(\) (got an unexpected keyword|missing \d+ required) "
"""What an error says where `run` is not there, or has other arguments: those of a decorator of it, perhaps."""


def learners_options() -> RunOptions:
    """The default options for a learner's file."""
    return RunOptions(limits=Limits(time_s=LEARNERS_TIME_LIMIT_S))


def learners_settings(scenario: Scenario) -> Settings:
    """The default settings for a learner's file."""
    return scenario.settings.changed("learners", scenario.learners)


def check(
    entry: Entry,
    file: Path,
    options: RunOptions | None = None,
    settings: Settings | None = None,
    controls: Mapping[str, HalfResult] | None = None,
) -> CheckResult:
    """Measure `file` as a half of `entry`, next to its leaky and fixed halves.

    The defaults are `learners_options` and `learners_settings`. `controls` are halves that were measured before, and
    that are not measured again. A file counts as fixed only if it is right with every choice of every setting.

    Raises:
        UsageError: the file cannot be read, or the settings conflict.
        ScenarioError: the scenario is broken.
        MeasureError: the measurement itself failed.
    """
    require_posix()
    settings = settings or learners_settings(entry.scenario)
    file = file.absolute()
    if rejected := rejection(entry, file):
        return rejected
    options = replace(options or learners_options(), controls=frozenset(HALVES), modules=early_modules(entry, file))
    found = _measured(entry, file, options, settings, controls or {})
    if not found.fixed or found.result is None:
        return found
    halves = {half: found.result.halves[half] for half in HALVES}
    tried: list[str] = []
    for other in settings.other_choices():
        label = other.differing(settings)
        options.progress.begins(f"trying your file with {label}")
        again = _measured(entry, file, replace(options, leaking=frozenset()), other, halves)
        if not again.fixed and again.yours is not None and again.state is not CheckState.INTERRUPTED:
            # It is shown beside the two halves as they are with this choice.
            again = _measured(entry, file, options, other, {YOURS: again.yours})
        if not again.fixed:
            return replace(again, choice=label)
        tried.append(label)
    return replace(found, why=entry.why, also_with=tuple(tried))


def _measured(
    entry: Entry, file: Path, options: RunOptions, settings: Settings, known: Mapping[str, HalfResult]
) -> CheckResult:
    """The check of a file with these settings, beside the two halves; what is `known` is not measured."""
    paths = {half: entry.half_path(half) for half in HALVES} | {YOURS: file}
    measured = run_halves(entry, {half: path for half, path in paths.items() if half not in known}, settings, options)
    halves = {**known, **measured.halves}
    result = replace(measured, halves={half: halves[half] for half in paths if half in halves})
    return judge_file(entry.scenario, file, settings, result)


def explained(checked: CheckResult, entry: Entry, options: RunOptions, services: Services) -> CheckResult:
    """The same check with the evidence for what was found, by one more run of the learner's file.

    Raises MeasureError if the services' process is gone.
    """
    if checked.result is None or checked.yours is None:
        return checked
    settings = checked.result.settings
    try:
        runtime = runtime_of(checked.file)
    except BuildError:
        return checked  # it has been changed meanwhile
    half = with_evidence(entry, checked.yours, checked.file, settings, options, services, runtime)
    result = replace(checked.result, halves={**checked.result.halves, YOURS: half})
    return replace(judge_file(entry.scenario, checked.file, settings, result), choice=checked.choice)


# ---- after the run: pure functions over the measurement


def judge_file(scenario: Scenario, file: Path, settings: Settings, result: Result) -> CheckResult:
    """The result of the check, from a measurement of the halves `leaky`, `fixed` and YOURS."""
    blank = CheckResult(scenario=result.scenario, file=file, state=CheckState.UNDECIDED, result=result)
    if result.interrupted:
        return replace(blank, state=CheckState.INTERRUPTED, reason="interrupted before it was measured")
    yours = result.halves[YOURS]
    if yours.outcome is Outcome.TIMED_OUT:
        more = f"--limit time={max(60, 2 * round(yours.elapsed_s))}s"
        return replace(
            blank,
            state=CheckState.TIMED_OUT,
            reason=f"{yours.ending.words}, {_reached(yours.runs[0].trace)}",
            remedy=f"Find out what it waits for there. If the work just takes longer, allow more with {more}.",
            finding=next(iter(yours.judgement.findings), None),
            place=yours.ending.place,
        )
    judgement = yours.judgement
    if yours.outcome is not Outcome.COMPLETED:
        accepted = _judge_error(scenario, settings, yours)
        if accepted is None:
            return _failed(blank, yours.runs[0].trace.steps, yours.ending, scenario.task)
        judgement = accepted
    if complaint := _complaint(scenario, settings, result):
        reason = f"it does not do the work: {complaint}"
        remedy = "A fix gives the same answer, sends the same requests and leaves nothing open."
        return replace(blank, state=CheckState.WRONG_WORK, reason=reason, remedy=remedy)
    return _by_measure(blank, result, scenario, judgement)


def _by_measure(blank: CheckResult, result: Result, scenario: Scenario, judgement: Judgement) -> CheckResult:
    """The check by its counts, if the two halves with known verdicts were measured as what they are."""
    if wrong := doubtful_controls(result):
        own = learners_settings(scenario)
        changed = [
            one.name for one in own.declared if one.kind is not CHOICE and own[one.name] != result.settings[one.name]
        ]
        first = f"Keep the default {' and '.join(changed)}" if changed else "Close other busy programs"
        remedy = f"{first}, then check again."
        return replace(blank, reason=f"this measurement cannot be trusted: {wrong[0]}", remedy=remedy)
    if judgement.findings:
        key_findings = (finding for finding in judgement.findings if finding.metric in scenario.telling)
        finding = next(key_findings, judgement.findings[0])
        return replace(
            blank,
            state=CheckState.LEAKS,
            reason=finding.reason,
            finding=finding,
            showed=first_showed(result.halves[YOURS].runs[0].trace, result.halves["fixed"].runs[0].trace, finding),
        )
    if judgement.verdict is Verdict.INCONCLUSIVE:
        remedy = "Do the work item by item, as the leaky half does, then check again."
        if (deadline := result.bounds.deadline_s) is not None:
            remedy = f"Have the answer within the deadline of {format_duration(deadline)}, then check again."
        return replace(blank, reason="; ".join(judgement.doubts), remedy=remedy)
    return replace(blank, state=CheckState.FIXED, looked_at=judgement.looked_at)


def doubtful_controls(result: Result) -> list[str]:
    """What is wrong with the measurement of the two halves with known verdicts; empty if they came out right."""
    crashes = expected_to_crash(result)
    wrong = [
        f"the {name} half should {wanted}, but its verdict is "
        + "; ".join([half.judgement.verdict, *half.judgement.doubts])
        for name, wanted, verdict in (("leaky", "leak", Verdict.LEAKS), ("fixed", "be clean", Verdict.CLEAN))
        if (half := result.halves[name]).judgement.verdict is not verdict and name not in crashes
    ]
    for finding in result.halves["leaky"].judgement.findings:
        moment = "peak" if finding.kind is FindingKind.HELD else "collected"
        there = result.halves["fixed"].rise(finding.metric, moment) or 0
        if finding.work and there > SHARE * finding.value:
            metric = METRICS[finding.metric]
            wrong.append(
                f"the fixed half has {metric.quantity(there)} too, and the leaky half {metric.format(finding.value)}"
            )
    return wrong


def expected_to_crash(result: Result) -> set[str]:
    """The halves that an error is to end, and did."""
    crashed = {name for name, half in result.halves.items() if half.outcome is Outcome.CRASHED}
    return {name for name in crashed if name in result.expected and result.expected[name].verdict == CRASHES}


def first_showed(yours: Trace, fixed: Trace, finding: Finding) -> FirstSeen | None:
    """The first steps after which the count is, and stays, above the fixed half's maximum.

    Only lasting values count: each is capped by the lowest value after it. None if the steps cannot say: nothing is
    counted in steps, or all items were taken before the work was done.
    """
    points = yours.step_points(finding.metric)
    if not points or METRICS[finding.metric].judge is Judge.DEADLINE:
        return None
    lasting = list(accumulate(reversed([value for _, value in points]), min))[::-1]
    if METRICS[finding.metric].unit == "bytes":
        level = (yours.value(finding.metric, Phase.BASELINE) or 0) + finding.threshold
    else:
        level = max([points[0][1], *(value for _, value in fixed.step_points(finding.metric))])
        if lasting[-1] <= level:
            level = points[0][1]
    for index, ((step, _), value) in enumerate(zip(points, lasting, strict=True)):
        if value > level:
            return FirstSeen(points[index - 1][0] + 1 if index else 0, step)
    return None


def _judge_error(scenario: Scenario, settings: Settings, yours: HalfResult) -> Judgement | None:
    """The verdict on a half whose error the scenario accepts as an answer; None if it does not accept it."""
    traces = [as_answer(scenario, settings, run.trace) for run in yours.runs]
    if not all(trace.outcome is Outcome.COMPLETED for trace in traces):
        return None
    whole = MeasuredRun(traces[0], None)
    judgement = half_result(YOURS, [whole], bounds_of(scenario, settings)).judgement
    # What is found of it in spite of its error was explained with that.
    known = {(found.kind, found.metric): found for found in yours.judgement.findings}
    return replace(judgement, findings=tuple(known.get((f.kind, f.metric), f) for f in judgement.findings))


def _complaint(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """What is wrong with the work of the learner's file; None if it is right."""
    yours = result.halves[YOURS]
    if yours.complaint is not None:
        return yours.complaint
    if yours.outcome is not Outcome.COMPLETED and result.mongo is None:
        # The lab compares the counts only of halves that complete.
        trace = yours.runs[0].trace
        return wrong_requests(scenario, settings, trace) or gave_up_early(bounds_of(scenario, settings), trace)
    return None


def _failed(blank: CheckResult, step: int, ending: Ending, task: str) -> CheckResult:
    """The check of a half that failed in step `step`; the `task` may name the error that it may raise, and how."""
    remedy = FIX_THE_LINE if ending.place else FIX_THE_FILE
    if ending.raised is not None and ending.raised.kinds[0] == "BdbQuit":
        remedy = "It stops at a breakpoint. Remove it, then check again."
    if ending.raised is not None and any(re.search(rf"\b{re.escape(kind)}\b", task) for kind in ending.raised.kinds):
        remedy = task
    source = b""
    with contextlib.suppress(OSError):
        source = read_regular(blank.file)
    is_python = language_of(blank.file) is PYTHON
    if is_python and not ending.place and re.search(NO_SUCH_RUN, ending.words):
        remedy = remedy_of_run(source)
    if is_python and ending.raised is not None:
        remedy = remedy_of_shadow(blank.file, source, ending.raised) or remedy
    return replace(
        blank,
        state=CheckState.FAILED,
        reason=ending.words + (f" (in step {step:,})" if step and ending.raised else ""),
        remedy=remedy,
        place=ending.place,
    )


def _reached(trace: Trace) -> str:
    """How far a half got."""
    if trace.samples and trace.samples[-1].phase is not Phase.BASELINE and trace.steps:
        ended = any(sample.phase is Phase.END for sample in trace.samples)
        return "after its last step" if ended else f"in step {trace.steps:,}"
    return "before its first step"
