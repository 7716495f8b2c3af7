"""Measures a learner's file next to the leaky and the fixed half, and decides whether it is fixed."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.errors import UsageError
from leaklab.judge.growth import lasting_values
from leaklab.judge.summary import summarize
from leaklab.judge.verdict import Finding, FindingKind, Judgement, Verdict, judge
from leaklab.lab.pair import RunOptions, bounds_of, gave_up_early, run_halves, wrong_requests
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Trace
from leaklab.metrics import METRICS, RSS, Judge
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S, Limits
from leaklab.system.processes import require_posix
from leaklab.units import format_duration
from leaklab.workshop import second_run
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.plain_code import FIX_THE_FILE, FIX_THE_LINE, rejection

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.declaration import Scenario
    from leaklab.content.settings import Settings
    from leaklab.lab.result import HalfResult, Result

FEW = 0.25
"""Things per step below which growth may be a pool that is still filling up: more steps decide."""


def learners_options() -> RunOptions:
    """The default options for a learner's file."""
    return RunOptions(limits=Limits(time_s=LEARNERS_TIME_LIMIT_S))


def learners_settings(scenario: Scenario) -> Settings:
    """The default settings for a learner's file."""
    return scenario.settings.changed("learners", scenario.learners)


def check(entry: Entry, file: Path, options: RunOptions | None = None, settings: Settings | None = None) -> CheckResult:
    """Measure `file` as a half of `entry`, next to its leaky and fixed halves.

    If the first run does not decide, there is a second one, with more steps if the scenario has steps. The defaults are
    `learners_options` and `learners_settings`.

    Raises:
        UsageError: the file cannot be read, or the settings conflict.
        ScenarioError: the scenario is broken.
        MeasureError: the measurement itself failed.
    """
    require_posix()
    options = options or learners_options()
    settings = settings or learners_settings(entry.scenario)
    file = file.absolute()
    if rejected := rejection(entry, file):
        return rejected
    first = _measure(entry, file, settings, options, last=False)
    if not second_run.is_needed(first):
        return first
    if settings.steps is not None:
        more = settings.with_steps(settings.steps * second_run.MORE)
        # If more steps exceed what this machine allows, the same number is repeated.
        with suppress(UsageError):
            return second_run.decide(first, _measure(entry, file, more, options, last=True))
    return _measure(entry, file, settings, options, last=True)


def _measure(entry: Entry, file: Path, settings: Settings, options: RunOptions, *, last: bool) -> CheckResult:
    paths = {"leaky": entry.half_path("leaky"), "fixed": entry.half_path("fixed"), YOURS: file}
    result = run_halves(entry, paths, settings, options)
    return judge_file(entry.scenario, file, settings, result, last=last)


# ---- after the run: pure functions over the measurement


def judge_file(
    scenario: Scenario, file: Path, settings: Settings, result: Result, *, last: bool = False
) -> CheckResult:
    """The result of the check, from a measurement of the halves `leaky`, `fixed` and YOURS.

    Unless this is the `last` run, a possible pool stays undecided.
    """
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
            return _failed(blank, yours.runs[0].trace.steps, yours.ending)
        judgement = accepted
    if complaint := _complaint(scenario, settings, result):
        reason = f"it does not do the work: {complaint}"
        remedy = "A fix gives the same answer, sends the same requests and leaves nothing open."
        return replace(blank, state=CheckState.WRONG_WORK, reason=reason, remedy=remedy)
    return _by_measure(blank, result, scenario, judgement, last=last)


def _by_measure(
    blank: CheckResult, result: Result, scenario: Scenario, judgement: Judgement, *, last: bool
) -> CheckResult:
    """The check by its counts, if the two halves with known verdicts were measured as what they are."""
    if wrong := second_run.doubtful_controls(result):
        remedy = "Close other busy programs, keep the default settings, then check again."
        return replace(blank, reason=f"this measurement cannot be trusted: {wrong[0]}", remedy=remedy)
    if judgement.findings:
        key_findings = (finding for finding in judgement.findings if finding.metric in scenario.telling)
        finding = next(key_findings, judgement.findings[0])
        may_be_pool = not last and _may_be_pool(finding, result)
        return replace(
            blank,
            state=CheckState.UNDECIDED if may_be_pool else CheckState.LEAKS,
            reason=f"{METRICS[finding.metric].label}: {finding.reason}",
            finding=finding,
            showed=first_showed(result.halves[YOURS].runs[0].trace, result.halves["fixed"].runs[0].trace, finding),
        )
    if judgement.verdict is Verdict.INCONCLUSIVE:
        remedy = "Two runs could not decide. Do the work item by item, as the leaky half does, then check again."
        return replace(blank, reason="; ".join(judgement.doubts), remedy=remedy)
    return replace(blank, state=CheckState.FIXED)


def _may_be_pool(finding: Finding, result: Result) -> bool:
    """Whether more steps could show that the finding is a pool that is still filling up."""
    steps = result.settings.steps
    counts = METRICS[finding.metric].judge in (Judge.LEFT_OPEN, Judge.REUSE)
    return steps is not None and counts and finding.kind is not FindingKind.STALLED and finding.value < FEW * steps


def first_showed(yours: Trace, fixed: Trace, finding: Finding) -> FirstSeen | None:
    """The first steps after which the count is, and stays, above the fixed half's maximum.

    Only lasting values count, as in `judge.growth`. None if the steps cannot say: nothing is counted in steps, or all
    items were taken before the work was done.
    """
    points = yours.step_points(finding.metric)
    if not points or METRICS[finding.metric].judge is Judge.DEADLINE:
        return None
    lasting = lasting_values([value for _, value in points])
    if METRICS[finding.metric].judge is Judge.MEMORY:
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
    for run in yours.runs:
        raised = run.trace.ending.raised
        if scenario.check_error is None or raised is None:
            return None
        # An error of a class of the learner's own counts as its base classes too.
        if not any(scenario.check_error(settings, raised.named(kind)) for kind in raised.kinds):
            return None
    whole = replace(yours.runs[0].trace, ending=COMPLETED)
    return judge(whole, summarize(whole), bounds_of(scenario, settings))


def _complaint(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """What is wrong with the work of the learner's file; None if it is right."""
    yours = result.halves[YOURS]
    if yours.complaint is not None:
        return yours.complaint
    if yours.outcome is not Outcome.COMPLETED and result.mongo is None:
        # The lab compares the counts only of halves that complete.
        trace = yours.runs[0].trace
        return wrong_requests(scenario, settings, trace) or gave_up_early(bounds_of(scenario, settings), trace)
    return _invented(scenario, settings, result)


def _invented(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """Why the answer must be invented, if no service counts the work; None if it may be real."""
    if scenario.effort is None or scenario.buffer is None:
        return None
    buffer = scenario.buffer(settings)
    yours, fixed = result.halves[YOURS], result.halves["fixed"]
    held, worked, needed = yours.rise(RSS.name, "peak"), yours.runs[0].trace.cpu_s, fixed.runs[0].trace.cpu_s
    if held is None or worked is None or needed is None:
        return None
    if held >= buffer / 2 or worked >= scenario.effort * needed:
        return None
    return (
        f"it used {format_duration(worked)} of CPU time (the fixed half: {format_duration(needed)}) and at most "
        f"{RSS.format(max(0.0, held))} of memory, too little to go through {RSS.format(buffer)}"
    )


def _failed(blank: CheckResult, step: int, ending: Ending) -> CheckResult:
    """The check of a half that failed in step `step`."""
    remedy = FIX_THE_LINE if ending.place else FIX_THE_FILE
    if ending.raised is not None and ending.raised.kinds[0] == "BdbQuit":
        remedy = "It stops at a breakpoint. Remove it, then check again."
    if not ending.place and re.search(r"\brun\(\)|\bfunction (called )?run\b", ending.words):
        remedy = "The file needs a function run() with the same arguments as in the leaky half."
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
