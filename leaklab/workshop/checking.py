"""Measures a learner's file beside the leaky and the fixed half, and says whether it is fixed, and if not, why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.errors import UsageError
from leaklab.judge.summary import summarize
from leaklab.judge.verdict import Finding, FindingKind, Judgement, Verdict, judge
from leaklab.lab.pair import RunOptions, bounds_of, gave_up_early, run_halves, wrong_requests
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Trace
from leaklab.metrics import METRICS, Judge
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S, Limits
from leaklab.system.processes import require_posix
from leaklab.units import format_duration
from leaklab.workshop import second_look
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.plain_code import refused

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.content.declaration import Scenario
    from leaklab.content.settings import Settings
    from leaklab.lab.result import HalfResult, Result

FEW = 0.25
"""Things per step below which growth may be that of a pool that is still being filled: more steps tell."""


def learners_options() -> RunOptions:
    """How a learner's file is run unless it is told otherwise."""
    return RunOptions(limits=Limits(time_s=LEARNERS_TIME_LIMIT_S))


def learners_settings(scenario: Scenario) -> Settings:
    """What a learner's file is run with unless it is told otherwise."""
    return scenario.settings.changed("learners", scenario.learners)


def check(entry: Entry, file: Path, options: RunOptions | None = None, settings: Settings | None = None) -> CheckResult:
    """Measure `file` as a half of `entry`, beside its leaky and fixed halves.

    Where the first look decides nothing, a second one is taken, with more steps where they would tell.

    Args:
        entry: the scenario that the file belongs to.
        file: the learner's file.
        options: how it is run; `learners_options` if None.
        settings: those that the scenario has for learners if None.

    Raises:
        UsageError: the file cannot be read, or the settings cannot be meant.
        ScenarioError: the scenario is broken.
        MeasureError: the measurement itself failed.
    """
    require_posix()
    options = options or learners_options()
    settings = settings or learners_settings(entry.scenario)
    file = file.absolute()
    if early := refused(entry, file):
        return early
    found = _look(entry, file, settings, options, last=False)
    return _look_again(found, entry, settings, options) if second_look.worth_another(found) else found


def _look(entry: Entry, file: Path, settings: Settings, options: RunOptions, *, last: bool) -> CheckResult:
    paths = {"leaky": entry.half_path("leaky"), "fixed": entry.half_path("fixed"), YOURS: file}
    result = run_halves(entry, paths, settings, options)
    return judged(entry.scenario, file, settings, result, last=last)


def _look_again(first: CheckResult, entry: Entry, settings: Settings, options: RunOptions) -> CheckResult:
    """Measure once more; with more steps, if there are any: what leaks grows with them, and a pool does not."""
    if settings.steps is None:
        return _look(entry, first.file, settings, options, last=True)
    more = settings.with_steps(settings.steps * second_look.MORE)
    try:
        second = _look(entry, first.file, more, options, last=True)
    except UsageError:
        # The machine cannot carry so many: the same number again, then.
        return _look(entry, first.file, settings, options, last=True)
    return second_look.decided(first, second)


# ---- after it was run: pure functions over what was measured


def judged(scenario: Scenario, file: Path, settings: Settings, result: Result, *, last: bool = False) -> CheckResult:
    """What `result`, with the halves `leaky`, `fixed` and YOURS, says of the learner's file.

    Args:
        scenario: what the file is to do.
        file: the learner's file.
        settings: what it was run with.
        result: what was measured.
        last: whether no second look, with more steps, is to come: what may be a pool is decided now.
    """
    blank = CheckResult(scenario=result.scenario, file=file, state=CheckState.UNDECIDED, result=result)
    if result.interrupted:
        return replace(blank, state=CheckState.INTERRUPTED, reason="it was interrupted before it was measured")
    yours = result.halves[YOURS]
    if yours.outcome is Outcome.TIMED_OUT:
        return replace(
            blank,
            state=CheckState.TIMED_OUT,
            reason=f"{yours.ending.words}, {_where(yours.runs[0].trace)}",
            remedy="Find what it waits for there. Work that takes longer is given more with --limit time=…",
            finding=next(iter(yours.judgement.findings), None),
            place=yours.ending.place,
        )
    judgement = yours.judgement
    if yours.outcome is not Outcome.COMPLETED:
        accepted = _told_by_error(scenario, settings, yours)
        if accepted is None:
            return _failed(blank, yours.runs[0].trace.steps, yours.ending)
        judgement = accepted
    if complaint := _complaint(scenario, settings, result):
        return replace(
            blank,
            state=CheckState.WRONG_WORK,
            reason=f"it does not do the work: {complaint}",
            remedy="Same answer, same requests, nothing left open: all three.",
        )
    return _by_measure(blank, scenario, judgement, last=last)


def _by_measure(blank: CheckResult, scenario: Scenario, judgement: Judgement, *, last: bool) -> CheckResult:
    """The check by what was counted, held against the two halves whose verdicts are known beforehand."""
    result = blank.result
    assert result is not None  # noqa: S101 # whoever calls has measured
    if wrong := second_look.doubtful_controls(result):
        return replace(
            blank,
            reason=f"this measurement cannot be trusted: {wrong[0]}",
            remedy="End what else is busy on this machine, and check again; leave the settings as they are.",
        )
    if judgement.findings:
        finding = _first(judgement.findings, scenario.telling)
        may_be_pool = not last and _may_be_pool(finding, result)
        return replace(
            blank,
            state=CheckState.UNDECIDED if may_be_pool else CheckState.LEAKS,
            reason=f"{METRICS[finding.metric].label}: {finding.reason}",
            finding=finding,
            showed=first_showed(result.halves[YOURS].runs[0].trace, result.halves["fixed"].runs[0].trace, finding),
        )
    if judgement.verdict is Verdict.INCONCLUSIVE:
        return replace(
            blank,
            reason="; ".join(judgement.doubts),
            remedy="Two looks did not tell. Do the work item by item, as the leaky half does, and check again.",
        )
    return replace(blank, state=CheckState.FIXED)


def _may_be_pool(finding: Finding, result: Result) -> bool:
    """Whether more steps could show that what was found is a pool, still being filled."""
    steps = result.settings.steps
    counts = METRICS[finding.metric].judge in (Judge.LEFT_OPEN, Judge.REUSE)
    if steps is None or not counts or finding.kind is FindingKind.STALLED:
        return False
    return finding.value < FEW * steps


def first_showed(yours: Trace, fixed: Trace, finding: Finding) -> FirstSeen | None:
    """The first steps after which more was there, and stayed, than the fixed half has after any step.

    What stays counts, as in `judge.growth`: a value is worth no more than the lowest value after it. None where no
    step says so: nothing is counted in steps, or all items were taken before the work was done.
    """
    points = yours.step_points(finding.metric)
    if not points or METRICS[finding.metric].judge is Judge.DEADLINE:
        return None
    stayed = list(accumulate((value for _, value in reversed(points)), min))[::-1]
    if METRICS[finding.metric].judge is Judge.MEMORY:
        level = (yours.value(finding.metric, Phase.BASELINE) or 0) + finding.threshold
    else:
        level = max([points[0][1], *(value for _, value in fixed.step_points(finding.metric))])
        if stayed[-1] <= level:
            level = points[0][1]
    for index, ((step, _), value) in enumerate(zip(points, stayed, strict=True)):
        if value > level:
            return FirstSeen(points[index - 1][0] + 1 if index else 0, step)
    return None


def _first(findings: Sequence[Finding], telling: Sequence[str]) -> Finding:
    return next((finding for finding in findings if finding.metric in telling), findings[0])


def _told_by_error(scenario: Scenario, settings: Settings, yours: HalfResult) -> Judgement | None:
    """The verdict on a half that raised what the scenario takes for an answer; None if it is none."""
    traces = [run.trace for run in yours.runs]
    for trace in traces:
        raised = trace.ending.raised
        if scenario.check_error is None or raised is None:
            return None
        # An error of a class of the learner's own is one of those that the class is derived from, too.
        if not any(scenario.check_error(settings, raised.named(kind)) for kind in raised.kinds):
            return None
    whole = replace(traces[0], ending=COMPLETED)
    return judge(whole, summarize(whole), bounds_of(scenario, settings))


def _complaint(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """What is wrong with the work that the learner's file did; None if nothing is."""
    yours = result.halves[YOURS]
    if yours.complaint is not None:
        return yours.complaint
    if yours.outcome is not Outcome.COMPLETED and result.mongo is None:
        # The lab holds the counts against the work of halves that complete only.
        trace = yours.runs[0].trace
        return wrong_requests(scenario, settings, trace) or gave_up_early(bounds_of(scenario, settings), trace)
    return _no_effort(scenario, settings, result)


def _no_effort(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """Why the answer must have been invented, where no service counts the work; None if it need not have been."""
    if scenario.effort is None or scenario.buffer is None:
        return None
    buffer = scenario.buffer(settings)
    yours, fixed = result.halves[YOURS], result.halves["fixed"]
    peak, baseline = yours.value("rss", "peak"), yours.value("rss", "baseline")
    held = None if peak is None or baseline is None else peak - baseline
    worked, needed = yours.runs[0].trace.cpu_s, fixed.runs[0].trace.cpu_s
    if held is None or held >= buffer / 2 or worked is None or needed is None:
        return None
    if worked >= scenario.effort * needed:
        return None
    return (
        f"it answered after {format_duration(worked)} of CPU time, the fixed half after "
        f"{format_duration(needed)}, and it held {METRICS['rss'].format(max(0.0, held))} at most: it cannot "
        f"have gone through {METRICS['rss'].format(buffer)}"
    )


def _failed(blank: CheckResult, step: int, ending: Ending) -> CheckResult:
    """The check of a half that did not complete, and ended in step `step`."""
    remedy = "Repair the line, then check again." if ending.place else "Repair the file, then check again."
    if ending.raised is not None and ending.raised.kinds[0] == "BdbQuit":
        remedy = "There is a breakpoint in it, and nobody at the keyboard: take it out, then check again."
    if not ending.place and re.search(r"\brun(\(\)| in it$)", ending.words):
        remedy = "The file needs a function run, with the arguments that it has in the leaky half."
    return replace(
        blank,
        state=CheckState.FAILED,
        reason=ending.words + (f" (in step {step:,})" if step and ending.raised else ""),
        remedy=remedy,
        place=ending.place,
    )


def _where(trace: Trace) -> str:
    """How far a half had come."""
    if trace.samples and trace.samples[-1].phase is not Phase.BASELINE and trace.steps:
        ended = any(sample.phase is Phase.END for sample in trace.samples)
        return "after its last step" if ended else f"in step {trace.steps:,}"
    return "before its first step"
