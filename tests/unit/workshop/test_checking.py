"""The check of scripted measurements, and of files that need not be run; tests/golden/check.txt has the screens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from leaklab.content.catalog import Catalog
from leaklab.content.declaration import Scenario
from leaklab.content.settings import Settings
from leaklab.errors import UsageError
from leaklab.judge.verdict import Finding, FindingKind, Thresholds
from leaklab.lab.pair import RunOptions
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.measure.source_line import SourceLine
from leaklab.measure.trace import COMPLETED, Ending, Outcome, Phase, Raised, Sample, Trace
from leaklab.reports.check_report import check_report, hints_report, progress_report, solution_report
from leaklab.reports.document import check_document
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.checking import check, first_showed, judge_file, learners_options
from leaklab.workshop.progress_file import Exercise
from leaklab.workshop.second_run import MORE, decide, is_needed, is_pool
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections
from tests.unit.scripted import MIB

FILE = Path("/exercises/unclosed_body.py")
ENTRY = Catalog().get("unclosed-body")
HUGE = Catalog().get("huge-array").scenario
WAIT = Catalog().get("unbounded-wait").scenario
BODY_LINE = SourceLine("unclosed_body.py", 5, "raise ValueError('no')")


def half(name: str, trace: Trace, complaint: str | None = None, bounds: Thresholds | None = None) -> HalfResult:
    return half_result(name, [MeasuredRun(trace, complaint)], bounds or Thresholds(), scripted.CAPACITIES)


def yours(sockets_at: Callable[[int], int], complaint: str | None = None, **more: str) -> HalfResult:
    return half(YOURS, scripted.trace(YOURS, sockets_at, **more), complaint)  # type: ignore[arg-type] # output


def none(_: int) -> int:
    return 0


def one(step: int) -> int:
    return min(step, 1)


def each(step: int) -> int:
    return step


def ended(
    words: str, place: SourceLine | None = None, raised: Raised | None = None, outcome: Outcome = Outcome.CRASHED
) -> HalfResult:
    return half(YOURS, scripted.trace(YOURS, each, ending=Ending(outcome, words, place, raised)))


def timed_out(place: SourceLine | None) -> HalfResult:
    return ended("it was ended at its time limit of 20 s", place, outcome=Outcome.TIMED_OUT)


def measured(mine: HalfResult, **turned: HalfResult) -> Result:
    controls = {"leaky": scripted.leaky(), "fixed": scripted.fixed(), **turned}
    return scripted.result(*controls.values(), mine)


def checked(mine: HalfResult, *, last: bool = True, **turned: HalfResult) -> CheckResult:
    result = measured(mine, **turned)
    return judge_file(ENTRY.scenario, FILE, result.settings, result, last=last)


# ---- fixed or not


@pytest.mark.parametrize(
    ("sockets_at", "first"), [(each, 2), (lambda step: max(1, step - 9), 11)], ids=["at once", "late"]
)
def test_a_leak_is_shown_by_the_first_key_metric_and_from_the_step_on_which_the_fixed_half_never_reaches(
    sockets_at: Callable[[int], int], first: int
) -> None:
    found = checked(yours(sockets_at))
    assert found.finding is not None
    assert (found.state, found.finding.kind, found.finding.metric) == (
        CheckState.LEAKS, FindingKind.LEAKED, "open_sockets",
    )  # fmt: skip
    assert found.showed == FirstSeen(first, first)


# ---- pools


def test_a_few_that_could_be_a_pool_are_undecided_until_the_last_run() -> None:
    mine = yours(lambda step: step // 10)
    assert checked(mine, last=False).state is CheckState.UNDECIDED
    assert checked(mine, last=True).state is not CheckState.FIXED


def run_of(peak: int, left: int, steps: int, state: CheckState | None = None) -> CheckResult:
    """The check of a run that had so many open at most, after its last step began, and left so many."""
    base = scripted.trace(YOURS, lambda _: 0)
    values: Mapping[str, float | None] = {**base.samples[-1].values, "open_sockets": peak, "connections_opened": peak}
    returned = Sample(Phase.RETURNED, steps, 0.3, values)
    collected = Sample(Phase.COLLECTED, steps, 0.3, {**values, "open_sockets": left})
    trace = replace(base, samples=(*base.samples[:-2], returned, collected))
    result = replace(measured(half(YOURS, trace)), settings=Settings(steps=steps))
    found = judge_file(ENTRY.scenario, FILE, result.settings, result, last=steps > scripted.STEPS)
    return found if state is None else replace(found, state=state)


@pytest.mark.parametrize(
    ("first", "second", "pool"),
    [
        (4, 5, True),
        (5, 13, True),  # it grows on demand, not with the work
        (4, 16, False),  # it grows with the work
        (50, 80, False),  # more than any pool holds
    ],
)
def test_what_does_not_grow_with_the_work_is_a_pool(first: int, second: int, pool: bool) -> None:
    assert is_pool(run_of(first, first, 50), run_of(second, second, 50 * MORE)) is pool


def test_nothing_is_a_pool_if_the_measurement_cannot_be_trusted() -> None:
    first, second = run_of(4, 4, 50), run_of(4, 4, 50 * MORE)
    assert second.result is not None
    turned = {**second.result.halves, "leaky": half("leaky", scripted.trace("leaky", lambda _: 0))}
    assert not is_pool(first, replace(second, result=replace(second.result, halves=turned)))


def two_runs(left: Callable[[int], int]) -> tuple[CheckResult, CheckResult]:
    """The first half of the responses leaked: the steps plateau in both runs."""
    return run_of(26, left(26), 50, CheckState.FIXED), run_of(101, left(101), 200, CheckState.FIXED)


@pytest.mark.parametrize(
    ("left", "kind", "metric"),
    [(each, "leaked", "open_sockets"), (lambda _: 0, "held", "open_sockets")],
    ids=["left open", "closed unread"],
)
def test_what_grew_with_the_steps_of_two_runs_leaks_whatever_its_steps_look_like(
    left: Callable[[int], int], kind: str, metric: str
) -> None:
    first, second = two_runs(left)
    assert is_needed(first)
    found = decide(first, second)
    assert found.finding is not None
    assert (found.state, found.finding.kind, found.finding.metric) == (CheckState.LEAKS, kind, metric)


def test_a_second_run_is_needed_only_for_more_than_a_client_or_a_pool_keeps() -> None:
    assert not is_needed(checked(yours(lambda step: min(step, 3))))
    assert is_needed(checked(yours(lambda step: min(step, 5))))
    assert not is_needed(run_of(10, 0, 50, CheckState.FIXED))


def test_one_for_each_item_leaks_although_all_items_were_taken_first() -> None:
    found = run_of(50, 0, 50)
    assert found.finding is not None
    assert (found.state, found.finding.value, found.showed) == (CheckState.LEAKS, 50, None)


# ---- when it first showed


BUFFER = scripted.trace(YOURS, lambda _: 0, rss=300 * MIB)
FROM_THE_START = (replace(BUFFER.samples[0], values={"rss": 20 * MIB}), *BUFFER.samples[1:])
LATER = scripted.trace(YOURS, lambda step: max(0, step - 20))
FEW = tuple(sample for sample in LATER.samples if sample.phase is not Phase.STEP or sample.steps_done % 10 == 0)


@pytest.mark.parametrize(
    ("trace", "finding", "seen"),
    [
        (replace(BUFFER, samples=FROM_THE_START), Finding(FindingKind.HELD, "rss", 280 * MIB, 128 * MIB, ""), (0, 0)),
        (replace(LATER, samples=FEW), Finding(FindingKind.LEAKED, "open_sockets", 30, 0, ""), (21, 30)),
        (
            scripted.trace(YOURS, lambda step: 9 if step == 5 else max(0, step - 30)),
            Finding(FindingKind.LEAKED, "open_sockets", 20, 0, ""),
            (32, 32),
        ),
    ],
    ids=["before the first step", "between two samples", "what came and went does not count"],
)
def test_it_first_showed_at_the_step_from_which_it_stayed_above_the_fixed_half(
    trace: Trace, finding: Finding, seen: tuple[int, int]
) -> None:
    assert first_showed(trace, scripted.trace("fixed", one), finding) == FirstSeen(*seen)


# ---- work that no service counts, and errors that are answers


def huge(cpu_s: float, peak: int, end: int = 15 * MIB) -> CheckResult:
    settings = HUGE.settings

    def buffer(name: str, at_peak: int, end: int, took: float) -> HalfResult:
        trace = scripted.trace(name, lambda _: 0, rss=end)
        first = replace(trace.samples[0], values={**trace.samples[0].values, "rss": 15 * MIB})
        clock = Sample(Phase.CLOCK, 0, 0.0, {"rss": at_peak})
        trace = replace(trace, samples=(first, clock, *trace.samples[1:]), cpu_s=took)
        return half(name, trace, None, Thresholds(memory=128 * MIB))

    halves = (
        buffer("leaky", 271 * MIB, 271 * MIB, 1.0),
        buffer("fixed", 271 * MIB, 15 * MIB, 1.0),
        buffer(YOURS, peak, end, cpu_s),
    )
    return judge_file(HUGE, FILE, settings, scripted.result(*halves, settings=settings), last=True)


@pytest.mark.parametrize(
    ("cpu_s", "peak", "state"),
    [
        (0.001, 15 * MIB, CheckState.WRONG_WORK),
        (0.02, 40 * MIB, CheckState.WRONG_WORK),
        (0.06, 15 * MIB, CheckState.FIXED),
        (0.01, 271 * MIB, CheckState.FIXED),
    ],
    ids=["invented", "a part of it", "in pieces", "a faster way through all of it"],
)
def test_without_holding_the_data_or_working_for_it_the_answer_is_invented(
    cpu_s: float, peak: int, state: CheckState
) -> None:
    assert huge(cpu_s, peak).state is state


LATE = Raised(("TimeoutError", "OSError"), "stock is late")
ASKED = {"profiles": 2, "silent": 1}


def waited(raised: Raised, elapsed_s: float, requests: Mapping[str, int]) -> CheckResult:
    settings = WAIT.settings
    bounds = Thresholds(deadline_s=settings.deadline)

    def waiting(name: str, took: float, ending: Ending = COMPLETED) -> HalfResult:
        values: Mapping[str, float | None] = {"threads": 1, "open_sockets": 0, "open_fds": 4}
        samples = tuple(Sample(phase, 0, took, values) for phase in (Phase.BASELINE, Phase.RETURNED, Phase.COLLECTED))
        trace = Trace(name, 0, took, 0.0, samples, ending=ending, requests_by_route=requests)
        return half(name, trace, None, bounds)

    mine = waiting(YOURS, elapsed_s, Ending(Outcome.CRASHED, f"it raised {raised}", None, raised))
    halves = (waiting("leaky", 3.0), waiting("fixed", 0.5), mine)
    result = scripted.result(*halves, scenario="unbounded-wait", settings=settings)
    return judge_file(WAIT, FILE, settings, result, last=True)


@pytest.mark.parametrize(
    ("raised", "elapsed_s", "requests", "state"),
    [
        (LATE, 0.5, ASKED, CheckState.FIXED),
        (Raised(LATE.kinds, "a service is late"), 0.5, ASKED, CheckState.FAILED),  # it does not name the service
        (Raised(("ServiceLate", *LATE.kinds), "stock is late"), 0.5, ASKED, CheckState.FIXED),
        (Raised(("ReadTimeout", "OSError"), "stock"), 0.5, ASKED, CheckState.FAILED),
        (LATE, 3.0, ASKED, CheckState.LEAKS),
        (LATE, 0.5, {}, CheckState.WRONG_WORK),
        (LATE, 0.3, ASKED, CheckState.WRONG_WORK),  # given up early
        (LATE, 0.4, ASKED, CheckState.FIXED),  # with a reserve
        (LATE, 0.8, ASKED, CheckState.UNDECIDED),
    ],
)
def test_an_error_that_names_the_late_service_is_an_answer_if_the_work_was_done(
    raised: Raised, elapsed_s: float, requests: Mapping[str, int], state: CheckState
) -> None:
    assert waited(raised, elapsed_s, requests).state is state


def test_an_error_is_no_answer_unless_the_scenario_accepts_it() -> None:
    assert checked(ended(f"it raised {LATE}", BODY_LINE, LATE)).state is CheckState.FAILED
    plain = Scenario(title="t", leaks="l", summary="s", workload=lambda _: {}, expected={}, telling=())
    assert (plain.check_error, plain.effort, plain.hints, plain.task) == (None, None, (), "")


# ---- files that need not be run


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """The steps of each run of a file that leaves one socket open in ten steps; more than 50 steps may not fit."""
    steps: list[int | None] = []

    def run(entry: object, paths: object, settings: Settings, options: RunOptions) -> Result:
        steps.append(settings.steps)
        if options.repeat > 1 and settings.steps != 50:
            raise UsageError("too many")
        return measured(yours(lambda step: step // 10))

    monkeypatch.setattr("leaklab.workshop.checking.run_halves", run)
    return steps


@pytest.mark.parametrize(
    ("source", "state", "words", "line"),
    [
        (b"import leaklab\n", CheckState.REFUSED, "leaklab", 1),
        (b"import requests, leaklab.workshop.checking as c\n", CheckState.REFUSED, "leaklab", 1),
        (b"def run(urls):\n    from leaklab import check\n", CheckState.REFUSED, "leaklab", 2),
        (b"import importlib\nimportlib.import_module('leaklab.x')\n", CheckState.REFUSED, "leaklab", 2),
        (b"routes = __import__('leaklab')\n", CheckState.REFUSED, "leaklab", 1),
        (b"import sys\nworker = sys.modules['__main__']\n", CheckState.REFUSED, "__main__", 2),
        (b"import sys\nworker = sys.modules.get('__main__')\n", CheckState.REFUSED, "__main__", 2),
        (b"import __main__\n", CheckState.REFUSED, "__main__", 1),
        (b"import helper\n", CheckState.REFUSED, "leaklab", 1),
        (b"def run(urls):\n    return [\n", CheckState.FAILED, "SyntaxError: '[' was never closed", 2),
        (b"def run(urls):\nreturn 1\n", CheckState.FAILED, "IndentationError", 2),
        (b"x = '\xff'\n", CheckState.FAILED, "SyntaxError", 1),
        (b"x = 1\x00\n", CheckState.FAILED, "null bytes", None),
        (b"x = " + b"(" * 5_000 + b"\n", CheckState.FAILED, "Error", None),
    ],
)
def test_a_file_that_uses_the_lab_or_is_not_python_is_not_run_and_its_line_is_shown(
    tmp_path: Path, runs: list[int | None], source: bytes, state: CheckState, words: str, line: int | None
) -> None:
    (tmp_path / "helper.py").write_text("import leaklab\n")
    (tmp_path / "mine.py").write_bytes(source)
    found = check(ENTRY, tmp_path / "mine.py")
    assert (found.state, found.result, runs) == (state, None, [])
    assert words in found.reason
    assert line is None or (found.place is not None and found.place.line == line)


@pytest.mark.parametrize(("repeat", "steps"), [(1, [50, 50 * MORE]), (2, [50, 50 * MORE, 50])])
def test_an_undecided_file_is_measured_again_with_more_steps_if_they_fit(
    tmp_path: Path, runs: list[int | None], repeat: int, steps: list[int]
) -> None:
    """What only looks like using the lab is let through."""
    file = tmp_path / "mine.py"
    file.write_text('"""leaklab check mine.py"""\nif __name__ == "__main__":\n    print("leaklab")\n')
    check(ENTRY, file, replace(learners_options(), repeat=repeat))
    assert runs == steps


# ---- the reports


EXERCISE = Exercise(scenario="unclosed-body", started="2026-05-04T09:30:00+00:00", attempts=3)
SOLVED = msgspec.structs.replace(EXERCISE, attempts=1_000, hints=3, solved="2026-05-04T10:30:00+00:00")
LEARNERS = '"""A task.\n\nOf lines.\n"""\n\nx = 1\nold = 2\n'


def screens(folder: Path) -> dict[str, tuple[CheckState, CheckResult]]:
    """A check for each kind of screen, with its state."""
    for name, source in {"cheat": "import leaklab\n", "worker": "import __main__\n", "typo": "def run(urls:\n"}.items():
        (folder / f"{name}.py").write_text(source)
    error, quit_ = Raised(("ValueError",), "no"), Raised(("BdbQuit", "Exception"), "")
    gone = SourceLine("x.py", BODY_LINE.line, BODY_LINE.text)
    stopped = replace(measured(yours(one)), interrupted=True, halves={})
    return {
        "fixed": (CheckState.FIXED, checked(yours(one))),
        "leaks": (CheckState.LEAKS, checked(yours(each))),
        "leaks_late": (CheckState.LEAKS, replace(checked(yours(each)), showed=FirstSeen(21, 30))),
        "leaks_in_two_runs": (CheckState.LEAKS, decide(*two_runs(each))),
        "wastes": (CheckState.LEAKS, checked(half(YOURS, scripted.Half().counts("connections_opened", each).trace()))),
        "held_memory_before": (CheckState.LEAKS, huge(1.0, 271 * MIB, 271 * MIB)),
        "holds_memory": (CheckState.LEAKS, replace(huge(1.0, 271 * MIB, 271 * MIB), showed=FirstSeen(2, 2))),
        "prints": (CheckState.LEAKS, checked(yours(each, output="one\ntwo\n\x1b[2Jthree\n" * 40))),
        "skips_the_work": (CheckState.WRONG_WORK, checked(yours(none, complaint="the services were asked none"))),
        "invents_the_answer": (CheckState.WRONG_WORK, huge(0.001, 15 * MIB)),
        "fails": (CheckState.FAILED, checked(ended("it raised ValueError: no", BODY_LINE, error))),
        "fails_in_a_file_that_is_gone": (CheckState.FAILED, checked(ended("it exited with code 3", gone))),
        "stops_at_a_breakpoint": (CheckState.FAILED, checked(ended(f"it raised {quit_}", BODY_LINE, quit_))),
        "has_no_run": (CheckState.FAILED, checked(ended("it has no function run()"))),
        "is_no_python": (CheckState.FAILED, check(ENTRY, folder / "typo.py")),
        "times_out": (CheckState.TIMED_OUT, checked(timed_out(BODY_LINE))),
        "uses_the_lab": (CheckState.REFUSED, check(ENTRY, folder / "cheat.py")),
        "uses_the_worker": (CheckState.REFUSED, check(ENTRY, folder / "worker.py")),
        "undecided": (CheckState.UNDECIDED, waited(LATE, 0.8, ASKED)),
        "not_trusted": (CheckState.UNDECIDED, checked(yours(one), leaky=half("leaky", scripted.trace("", none)))),
        "not_trusted_either": (
            CheckState.UNDECIDED,
            checked(yours(one), fixed=half("fixed", scripted.trace("", each))),
        ),
        "interrupted": (CheckState.INTERRUPTED, judge_file(ENTRY.scenario, FILE, Settings(), stopped)),
    }


def test_each_check_has_its_state_and_its_screen(tmp_path: Path) -> None:
    file = tmp_path / FILE.name
    file.write_text("import requests\n\n\ndef run(urls):\n    raise ValueError('no')\n    return []\n")
    shown: dict[str, str] = {}
    for name, (state, found) in screens(tmp_path).items():
        assert found.state is state, name
        assert found.fixed is (state is CheckState.FIXED)
        here = replace(found, file=file) if found.file == FILE else found
        text = rendered(check_report(here, Path("unclosed_body.py"), EXERCISE))
        lines = text.splitlines()
        assert max(len(line.rstrip()) for line in lines) <= 80
        assert len(lines) <= 24 - 3, "two lines below belong to `watch`, one to the shell"
        assert "\x1b" not in text
        shown[name] = text
    shown["fixed, not an exercise"] = rendered(check_report(checked(yours(one)), Path("mine.py")))
    assert_golden("check", sections(**shown))


def test_the_document_is_json_and_agrees_with_the_report() -> None:
    document = json.loads(json.dumps(check_document(checked(yours(each)), EXERCISE)))
    assert (document["fixed"], document["state"], document["scenario"]) == (False, "leaks", "unclosed-body")
    assert (document["first_showed"], document["finding"]["metric"]) == ({"first": 2, "last": 2}, "open_sockets")
    verdicts = {name: half["verdict"] for name, half in document["result"]["halves"].items()}
    assert verdicts == {"leaky": "leaks", "fixed": "clean", "yours": "leaks"}


def test_hints_solution_and_progress() -> None:
    hints = ("one", "two", "three")
    shown = {f"{number}_hints": rendered(hints_report(hints, number)) for number in (2, 3)}
    for width in (60, 120):
        solution = solution_report(LEARNERS, "mine.py", "x = 1\nnew = 2\n", Console(width=width))
        shown[f"solution_at_{width}"] = rendered(solution, width)
    same = solution_report('"""Task."""\n\nx = 1\n', "mine.py", "x = 1\n", Console(width=80))
    shown["solution_found"] = rendered(same)
    shown["progress"] = rendered(progress_report({"huge_array.py": EXERCISE, "unclosed_body.py": SOLVED}))
    assert "A task" not in shown["solution_at_60"]
    assert_golden("exercise", sections(**shown))
