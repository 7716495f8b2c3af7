"""Measures a learner's file beside the leaky and the fixed half, and says whether it is fixed, and if not, why."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from leaklab.errors import MeasureError, UsageError
from leaklab.lab import Options, bounds_of, run_halves, wrong_requests
from leaklab.limits import LEARNERS_TIME_LIMIT_S, Limits
from leaklab.metrics import METRICS, Judge
from leaklab.processes import require_posix
from leaklab.trace import Outcome, Phase, Trace, summarize
from leaklab.units import format_duration
from leaklab.verdict import Finding, Judgement, Kind, Verdict, judge

if TYPE_CHECKING:
    from leaklab.catalog import Entry
    from leaklab.result import HalfResult, Result
    from leaklab.scenario import Scenario, Settings

YOURS = "yours"
"""What the learner's file is called beside `leaky` and `fixed`."""

LONGEST_FILE = 2**20
"""Bytes of a learner's file; what is longer is none."""

MORE = 4
"""The second look at a file that more steps would tell of takes so many times the steps."""

POOL = 64
"""Things at once that a pool may hold: twice the threads that Python's ThreadPoolExecutor starts at most."""

NOTICED = 5
"""Things left over of a half that is clean otherwise, from which on a second look tells a pool from a leak: a client
keeps fewer for itself (pymongo: three connections, three threads)."""

GROWN = 0.75
"""What is left over in the second look, over what was in the first, as a share of MORE, from which on it grew with the
work."""

FEW = 0.25
"""Things per step below which growth may be that of a pool that is still being filled: more steps tell."""

INSIDE = ("leaklab", "__main__")
"""Modules that a learner's file may not reach into: the lab, and the worker that the lab measures it in."""

_PLACE = re.compile(r" \((?P<file>[^()/]+), line (?P<line>\d+)(?:: (?P<text>.*))?\)$", re.DOTALL)
"""How an error of a half ends, where a line of its own is known."""


class State(StrEnum):
    """What a check found."""

    FIXED = "fixed"
    LEAKS = "leaks"
    WRONG_WORK = "wrong-work"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Showed:
    """When a leak showed first: within these steps, counted from 1; `last` 0 is before the first step."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the learner's own: the file's name, the number, its text."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a check found, and all that a report of it needs.

    Attributes:
        scenario: its id.
        file: the learner's file.
        state: what was found.
        reason: why, in a sentence; empty where it is fixed.
        remedy: what to do next, in a sentence; empty where nothing is to be done.
        finding: what still tells, the first of the findings.
        showed: when that showed first; None where the steps do not say.
        place: the line of the learner's own that an error came from.
        result: the measurement; None where the file was not run.
    """

    scenario: str
    file: Path
    state: State
    reason: str = ""
    remedy: str = ""
    finding: Finding | None = None
    showed: Showed | None = None
    place: Place | None = None
    result: Result | None = None

    @property
    def fixed(self) -> bool:
        """Whether the learner's file does the work and leaks nothing."""
        return self.state is State.FIXED

    @property
    def yours(self) -> HalfResult | None:
        """What was measured of the learner's file."""
        return None if self.result is None else self.result.halves.get(YOURS)


def learners_options() -> Options:
    """How a learner's file is run unless it is told otherwise."""
    return Options(limits=Limits(time_s=LEARNERS_TIME_LIMIT_S))


def check(entry: Entry, file: Path, options: Options | None = None, settings: Settings | None = None) -> Check:
    """Measure `file` as a half of `entry`, beside its leaky and fixed halves.

    Where the first look decides nothing, a second one is taken, with more steps where they would tell.

    Args:
        entry: the scenario that the file belongs to.
        file: the learner's file.
        options: how it is run; `learners_options` if None.
        settings: the scenario's own if None.

    Raises:
        UsageError: the file cannot be read, or the settings cannot be meant.
        ScenarioError: the scenario is broken.
        MeasureError: the measurement itself failed.
    """
    require_posix()
    options = options or learners_options()
    settings = settings or entry.scenario.settings
    file = file.absolute()
    if early := _refused(entry, file):
        return early
    found = _look(entry, file, settings, options, last=False)
    in_doubt = found.state is State.UNDECIDED or (
        found.state is State.FIXED and settings.steps is not None and _left_over(found)
    )
    return _look_again(found, entry, settings, options) if in_doubt else found


def _look(entry: Entry, file: Path, settings: Settings, options: Options, *, last: bool) -> Check:
    paths = {"leaky": entry.half_path("leaky"), "fixed": entry.half_path("fixed"), YOURS: file}
    try:
        result = run_halves(entry, paths, settings, options)
    except MeasureError as error:
        # The runner gives up on a half that cannot be imported in time; whose half it is, it only says in words.
        if not str(error).startswith(f"{file.name} was not imported"):
            raise
        return Check(
            scenario=entry.id,
            file=file,
            state=State.TIMED_OUT,
            reason=f"{error}: it does not get to the end of its own top-level lines",
            remedy="Move what waits, or goes on for ever, into run().",
        )
    return judged(entry.scenario, file, settings, result, last=last)


def _look_again(first: Check, entry: Entry, settings: Settings, options: Options) -> Check:
    """Measure once more; with more steps, if there are any: what leaks grows with them, and a pool does not."""
    if settings.steps is None:
        return _look(entry, first.file, settings, options, last=True)
    more = replace(settings, steps=settings.steps * MORE)
    try:
        second = _look(entry, first.file, more, options, last=True)
    except UsageError:
        # The machine cannot carry so many: the same number again, then.
        return _look(entry, first.file, settings, options, last=True)
    if second.state in (State.LEAKS, State.UNDECIDED) and is_pool(first, second):
        return replace(second, state=State.FIXED, reason="", remedy="", finding=None, showed=None)
    grown = _grown_with_the_work(first, second)
    if second.state in (State.FIXED, State.UNDECIDED) and grown is not None:
        return replace(
            second, state=State.LEAKS, reason=f"{METRICS[grown.metric].label}: {grown.reason}", finding=grown, remedy=""
        )
    return second


def is_pool(first: Check, second: Check) -> bool:
    """Whether all that is against the file in two looks is what a pool is: it does not grow with the work.

    Args:
        first: the look with fewer steps.
        second: the look with MORE times as many.
    """
    if first.yours is None or second.yours is None or not _controls_hold(second):
        return False
    told = {finding.metric for finding in second.yours.judgement.findings}
    counted = {name for name, metric in METRICS.items() if metric.judge in (Judge.LEFT_OPEN, Judge.REUSE)}
    # A peak that the services do not count may have been missed by every sample of a short run.
    peaks = told | {"connections_opened", "open_cursors"}
    return told <= counted and all(
        _risen(second.yours, name, moment) <= min(POOL, 2 * max(1, _risen(first.yours, name, moment)))
        for moment, names in (("collected", counted), ("peak", peaks))
        for name in names
    )


def _grown_with_the_work(first: Check, second: Check) -> Finding | None:
    """What is left over and grew from the first look to the second as the steps did, whatever its steps look like."""
    if first.yours is None or second.yours is None or first.result is None or second.result is None:
        return None
    for name in _counted():
        before, after = (_risen(check.yours, name, "collected") for check in (first, second) if check.yours)
        if before >= NOTICED and after >= GROWN * MORE * before:
            metric, steps = METRICS[name], (first.result.settings.steps, second.result.settings.steps)
            words = (
                f"{metric.quantity(before)} left open after {steps[0]:,} steps, {metric.format(after)} after "
                f"{steps[1]:,}: what grows with the work is no pool"
            )
            return Finding(Kind.LEAKED, name, after, before, words)
    return None


def _counted() -> set[str]:
    return {name for name, metric in METRICS.items() if metric.judge is Judge.LEFT_OPEN}


def _left_over(check: Check) -> bool:
    """Whether so much is left of a half that seems clean that a second look is worth its time."""
    return check.yours is not None and any(_risen(check.yours, name, "collected") >= NOTICED for name in _counted())


def _risen(half: HalfResult, metric: str, moment: str) -> float:
    value, baseline = half.value(metric, moment), half.value(metric, "baseline")
    return 0 if value is None or baseline is None else value - baseline


def _controls_hold(check: Check) -> bool:
    return check.result is not None and not _doubtful_controls(check.result)


# ---- before anything is run


def _refused(entry: Entry, file: Path) -> Check | None:
    """What can be said of the file without running it; None if nothing is against it."""
    source = _source(file)
    try:
        tree = ast.parse(source, str(file))
    except SyntaxError as error:
        line = error.lineno or 0
        return Check(
            scenario=entry.id,
            file=file,
            state=State.FAILED,
            reason=f"it cannot be imported: {type(error).__name__}: {error.msg}",
            remedy="Repair the line, then check again.",
            place=Place(file.name, line, _line(file, line)) if line else None,
        )
    except (ValueError, RecursionError, MemoryError) as error:
        return Check(
            scenario=entry.id,
            file=file,
            state=State.FAILED,
            reason=f"it cannot be imported: {type(error).__name__}: {error}",
            remedy="Repair the file, then check again.",
        )
    for path, line, name in _reaches_inside(file, tree):
        whose = "the lab that measures it" if name == "leaklab" else "the process that measures it"
        return Check(
            scenario=entry.id,
            file=file,
            state=State.REFUSED,
            reason=f"it reaches into {whose} ({name}): a fix is plain code, as written at work",
            remedy="Leave that out, then check again.",
            place=Place(path.name, line, _line(path, line)),
        )
    return None


def _source(file: Path) -> bytes:
    """What stands in the file. Raises UsageError if it cannot be read, or is nothing that could be a half."""
    try:
        if not file.is_file() and file.exists():
            raise UsageError(f"{file} is no file: name the file of your exercise")
        if file.stat().st_size > LONGEST_FILE:
            raise UsageError(f"{file} has more than {LONGEST_FILE:,} bytes: name the file of your exercise")
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _reaches_inside(file: Path, tree: ast.AST) -> Iterator[tuple[Path, int, str]]:
    """Where the file, or a module beside it that it imports, names a module of INSIDE: path, line and module."""
    seen = {file}
    waiting: list[tuple[Path, ast.AST]] = [(file, tree)]
    while waiting:
        path, tree = waiting.pop()
        for node in ast.walk(tree):
            for name in _modules(node):
                root = name.partition(".")[0]
                if root in INSIDE:
                    yield path, getattr(node, "lineno", 0), root
                beside = file.with_name(f"{root}.py")
                if beside not in seen and beside.is_file():
                    seen.add(beside)
                    try:
                        waiting.append((beside, ast.parse(beside.read_bytes(), str(beside))))
                    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
                        continue


def _modules(node: ast.AST) -> list[str]:
    """The modules that one piece of code imports, or takes from `sys.modules`, by name."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.Call(func=ast.Name(id="__import__" | "import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
        case ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Constant(value=str(name))):
            return [name]
    return []


# ---- after it was run: pure functions over what was measured


def judged(scenario: Scenario, file: Path, settings: Settings, result: Result, *, last: bool = False) -> Check:
    """What `result`, with the halves `leaky`, `fixed` and YOURS, says of the learner's file.

    Args:
        scenario: what the file is to do.
        file: the learner's file.
        settings: what it was run with.
        result: what was measured.
        last: whether no second look, with more steps, is to come: what may be a pool is decided now.
    """
    blank = Check(scenario=result.scenario, file=file, state=State.UNDECIDED, result=result)
    if result.interrupted:
        return replace(blank, state=State.INTERRUPTED, reason="it was interrupted before it was measured")
    yours = result.halves[YOURS]
    if yours.outcome is Outcome.TIMED_OUT:
        return replace(
            blank,
            state=State.TIMED_OUT,
            reason=f"{_PLACE.sub('', yours.error or '')}, {_where(yours.runs[0].trace)}",
            remedy="Find what it waits for there. Work that takes longer is given more with --time-limit.",
            finding=next(iter(yours.judgement.findings), None),
            place=_place(file, yours.error),
        )
    judgement = yours.judgement
    if yours.outcome is not Outcome.COMPLETED:
        accepted = _told_by_error(scenario, settings, yours)
        if accepted is None:
            return _failed(blank, yours)
        judgement = accepted
    if complaint := _complaint(scenario, settings, result):
        return replace(
            blank,
            state=State.WRONG_WORK,
            reason=f"it does not do the work: {complaint}",
            remedy="Same answer, same requests, nothing left open: all three.",
        )
    return _by_measure(blank, scenario, judgement, last=last)


def _by_measure(blank: Check, scenario: Scenario, judgement: Judgement, *, last: bool) -> Check:
    """The check by what was counted, held against the two halves whose verdicts are known beforehand."""
    result = blank.result
    assert result is not None  # noqa: S101 # whoever calls has measured
    if wrong := _doubtful_controls(result):
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
            state=State.UNDECIDED if may_be_pool else State.LEAKS,
            reason=f"{METRICS[finding.metric].label}: {finding.reason}",
            finding=finding,
            showed=first_showed(result.halves[YOURS].runs[0].trace, result.halves["fixed"].runs[0].trace, finding),
        )
    if judgement.verdict is Verdict.INCONCLUSIVE:
        return replace(
            blank,
            reason="; ".join(judgement.doubts),
            remedy="It was measured twice. End what else is busy on this machine, and check again.",
        )
    return replace(blank, state=State.FIXED)


def _doubtful_controls(result: Result) -> list[str]:
    """What is wrong with the two halves whose verdicts are known beforehand; empty if they are what they should be."""
    return [
        f"the {name} half, which {'leaks' if verdict is Verdict.LEAKS else 'is clean'}, was not found to: "
        f"{'; '.join(half.judgement.doubts) or half.judgement.verdict}"
        for name, verdict in (("leaky", Verdict.LEAKS), ("fixed", Verdict.CLEAN))
        if (half := result.halves[name]).judgement.verdict is not verdict
    ]


def _may_be_pool(finding: Finding, result: Result) -> bool:
    """Whether more steps could show that what was found is a pool, still being filled."""
    steps = result.settings.steps
    counts = METRICS[finding.metric].judge in (Judge.LEFT_OPEN, Judge.REUSE)
    if steps is None or not counts or finding.kind is Kind.STALLED:
        return False
    return finding.value < FEW * steps


def first_showed(yours: Trace, fixed: Trace, finding: Finding) -> Showed | None:
    """The first steps after which more was there, and stayed, than the fixed half has after any step.

    What stays counts, as in `leaklab.growth`: a value is worth no more than the lowest value after it. None where no
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
            return Showed(points[index - 1][0] + 1 if index else 0, step)
    return None


def _first(findings: Sequence[Finding], telling: Sequence[str]) -> Finding:
    return next((finding for finding in findings if finding.metric in telling), findings[0])


def _told_by_error(scenario: Scenario, settings: Settings, yours: HalfResult) -> Judgement | None:
    """The verdict on a half that raised what the scenario takes for an answer; None if it is none."""
    traces = [run.trace for run in yours.runs]
    for trace in traces:
        rest = (trace.error or "").partition(": ")[2]
        # An error of a class of the learner's own is one of those that the class is derived from, too.
        as_each = (f"{kind}: {rest}" for kind in trace.raised)
        if scenario.check_error is None or not any(scenario.check_error(settings, words) for words in as_each):
            return None
    whole = replace(traces[0], outcome=Outcome.COMPLETED, error=None)
    return judge(whole, summarize(whole), bounds_of(scenario, settings))


def _complaint(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """What is wrong with the work that the learner's file did; None if nothing is."""
    yours = result.halves[YOURS]
    if yours.complaint is not None:
        return yours.complaint
    if yours.outcome is not Outcome.COMPLETED and result.mongo is None:
        # The lab holds the counts against the work of halves that complete only.
        return wrong_requests(scenario, settings, yours.runs[0].trace)
    return _no_effort(scenario, settings, result)


def _no_effort(scenario: Scenario, settings: Settings, result: Result) -> str | None:
    """Why the answer must have been invented, where no service counts the work; None if it need not have been."""
    if scenario.effort is None or settings.size is None:
        return None
    yours, fixed = result.halves[YOURS], result.halves["fixed"]
    peak, baseline = yours.value("rss", "peak"), yours.value("rss", "baseline")
    held = None if peak is None or baseline is None else peak - baseline
    worked, needed = yours.runs[0].trace.cpu_s, fixed.runs[0].trace.cpu_s
    if held is None or held >= settings.size / 2 or worked is None or needed is None:
        return None
    if worked >= scenario.effort * needed:
        return None
    size = METRICS["rss"].format(settings.size)
    return (
        f"it answered after {format_duration(worked)} of CPU time, the fixed half after "
        f"{format_duration(needed)}, and it held {METRICS['rss'].format(max(0.0, held))} at most: it cannot "
        f"have gone through {size}"
    )


def _failed(blank: Check, yours: HalfResult) -> Check:
    """The check of a half that did not complete."""
    error = yours.error or ""
    place = _place(blank.file, error)
    step = yours.runs[0].trace.steps
    remedy = "Repair the line, then check again." if place else "Repair the file, then check again."
    if not place and re.search(r"\brun(\(\)| in it$)", error):
        remedy = "The file needs a function run, with the arguments that it has in the leaky half."
    return replace(
        blank,
        state=State.FAILED,
        reason=_PLACE.sub("", error) + (f" (in step {step:,})" if step and error.startswith("it raised") else ""),
        remedy=remedy,
        place=place,
    )


def _where(trace: Trace) -> str:
    """How far a half had come."""
    if trace.samples and trace.samples[-1].phase is not Phase.BASELINE and trace.steps:
        ended = any(sample.phase is Phase.END for sample in trace.samples)
        return "after its last step" if ended else f"in step {trace.steps:,}"
    return "before its first step"


def _place(file: Path, error: str | None) -> Place | None:
    """The line that an error in words ends with."""
    found = _PLACE.search(error or "")
    if found is None:
        return None
    line = int(found["line"])
    return Place(found["file"], line, found["text"] or _line(file.with_name(found["file"]), line))


def _line(file: Path, line: int) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()[line - 1].strip()
    except (OSError, IndexError):
        return ""
