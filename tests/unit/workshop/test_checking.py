"""What a check says of scripted measurements, and of files that it need not run to judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from leaklab.content.catalog import Catalog
from leaklab.content.declaration import Scenario, Settings
from leaklab.judge.verdict import Finding, FindingKind, Thresholds, Verdict
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.measure.source_line import SourceLine
from leaklab.measure.trace import Ending, Outcome, Phase, Raised, Sample, Trace
from leaklab.reports.check_report import check_document, check_report, hints_report, solution_report
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.checking import check, first_showed, judged, learners_options
from leaklab.workshop.exercises import Exercise
from leaklab.workshop.second_run import MORE, decide, is_needed, is_pool
from tests.unit import scripted

MIB = 2**20
FILE = Path("/exercises/unclosed_body.py")
SCENARIO = Catalog().get("unclosed-body").scenario
HUGE = Catalog().get("huge-array").scenario
WAIT = Catalog().get("unbounded-wait").scenario


def half(name: str, trace: Trace, complaint: str | None = None, bounds: Thresholds | None = None) -> HalfResult:
    return half_result(name, [MeasuredRun(trace, complaint)], bounds or Thresholds(), scripted.CAPACITIES)


def yours(sockets_at: Callable[[int], int], complaint: str | None = None) -> HalfResult:
    return half(YOURS, scripted.trace(YOURS, sockets_at), complaint)


def ended(words: str, place: SourceLine | None = None, raised: Raised | None = None) -> HalfResult:
    ending = Ending(words, place, raised)
    return half(YOURS, scripted.trace(YOURS, lambda step: step, outcome=Outcome.CRASHED, ending=ending))


def timed_out(place: SourceLine | None) -> HalfResult:
    ending = Ending("it was ended at its time limit of 20 s (--time-limit)", place)
    return half(YOURS, scripted.trace(YOURS, lambda step: step, outcome=Outcome.TIMED_OUT, ending=ending))


def measured(mine: HalfResult, *, leaky: HalfResult | None = None, fixed: HalfResult | None = None) -> Result:
    return scripted.result(leaky or scripted.leaky(), fixed or scripted.fixed(), mine)


def said(
    mine: HalfResult, *, last: bool = True, leaky: HalfResult | None = None, fixed: HalfResult | None = None
) -> CheckResult:
    result = measured(mine, leaky=leaky, fixed=fixed)
    return judged(SCENARIO, FILE, result.settings, result, last=last)


# ---- fixed or not


def test_a_half_that_is_as_clean_as_ours_is_fixed() -> None:
    found = said(yours(lambda step: min(step, 1)))
    assert (found.state, found.reason, found.finding, found.showed) == (CheckState.FIXED, "", None, None)
    assert found.fixed


def test_a_half_that_leaks_is_told_by_the_first_telling_metric_and_the_first_step() -> None:
    found = said(yours(lambda step: step))
    assert found.state is CheckState.LEAKS
    assert found.finding is not None
    assert (found.finding.kind, found.finding.metric) == (FindingKind.LEAKED, "open_sockets")
    assert found.showed == FirstSeen(2, 2), "one socket is what the fixed half has too"
    assert "50 of 50 steps" in found.reason


def test_a_leak_that_begins_late_is_told_from_there() -> None:
    found = said(yours(lambda step: max(1, step - 9)))
    assert found.state is CheckState.LEAKS
    assert found.showed == FirstSeen(11, 11)


def test_work_left_out_is_not_fixed_however_clean() -> None:
    found = said(yours(lambda _: 0, complaint="the services were asked none; the work is 50 × profiles"))
    assert found.state is CheckState.WRONG_WORK
    assert "asked none" in found.reason


@pytest.mark.parametrize(
    ("words", "raised", "reason"),
    [
        ("it raised ValueError: no", Raised(("ValueError",), "no"), "it raised ValueError: no (in step 26)"),
        ("it cannot be imported: ModuleNotFoundError: x", None, "it cannot be imported: ModuleNotFoundError: x"),
        ("it exited with code 3 after 2 whole steps", None, "it exited with code 3 after 2 whole steps"),
    ],
)
@pytest.mark.parametrize("place", [None, SourceLine("helpers.py", 5, "raise ValueError('no')")])
def test_what_ended_it_is_told_with_the_learners_own_line(
    words: str, raised: Raised | None, reason: str, place: SourceLine | None
) -> None:
    found = said(ended(words, place, raised))
    assert (found.state, found.reason, found.place) == (CheckState.FAILED, reason, place)


def test_a_breakpoint_that_was_forgotten_is_told_as_one() -> None:
    raised = Raised(("BdbQuit", "Exception"), "")
    assert "breakpoint" in said(ended(f"it raised {raised}", SourceLine("mine.py", 3, "breakpoint()"), raised)).remedy


@pytest.mark.parametrize("place", [None, SourceLine("mine.py", 3, "while True:")])
def test_a_time_limit_is_told_with_the_step_and_the_line_it_was_met_in(place: SourceLine | None) -> None:
    found = said(timed_out(place))
    assert (found.state, found.place) == (CheckState.TIMED_OUT, place)
    assert found.reason.endswith("(--time-limit), in step 26")


@pytest.mark.parametrize("which", ["leaky", "fixed"])
def test_nothing_is_decided_where_a_half_that_is_known_is_not_found_to_be_what_it_is(which: str) -> None:
    turned = half(which, scripted.trace(which, lambda step: step if which == "fixed" else 0))
    found = said(yours(lambda step: min(step, 1)), **{which: turned})  # type: ignore[arg-type] # leaky or fixed
    assert found.state is CheckState.UNDECIDED
    assert which in found.reason
    assert found.remedy


def test_an_interrupted_measurement_says_nothing() -> None:
    result = replace(measured(yours(lambda _: 0)), interrupted=True, halves={})
    assert judged(SCENARIO, FILE, result.settings, result).state is CheckState.INTERRUPTED


# ---- pools


def test_a_few_that_could_be_a_pool_are_looked_at_again_and_then_decided() -> None:
    mine = yours(lambda step: step // 10)
    assert said(mine, last=False).state is CheckState.UNDECIDED
    assert said(mine, last=True).state is not CheckState.FIXED


def look(peak: int, collected: int, steps: int) -> CheckResult:
    """A check of a half that opened so many at most, after its last step was begun, and left so many."""
    base = scripted.trace(YOURS, lambda _: 0)
    values: Mapping[str, float | None] = {**base.samples[-1].values, "open_sockets": peak, "connections_opened": peak}
    left: Mapping[str, float | None] = {**values, "open_sockets": collected}
    trace = replace(
        base,
        samples=(
            *base.samples[:-2],
            Sample(Phase.RETURNED, steps, 0.3, values),
            Sample(Phase.COLLECTED, steps, 0.3, left),
        ),
    )
    result = replace(measured(half(YOURS, trace)), settings=Settings(steps=steps))
    return judged(SCENARIO, FILE, result.settings, result, last=steps > scripted.STEPS)


def test_what_is_left_and_does_not_grow_with_the_work_is_a_pool() -> None:
    assert is_pool(look(4, 4, 50), look(5, 5, 50 * MORE))
    assert is_pool(look(5, 5, 50), look(13, 13, 50 * MORE)), "it grows when it is short, and not with the work"


def test_what_grows_with_the_work_is_no_pool() -> None:
    assert not is_pool(look(4, 4, 50), look(16, 16, 50 * MORE))
    assert not is_pool(look(50, 50, 50), look(80, 80, 50 * MORE)), "more than any pool holds"


def test_what_is_left_and_grew_fourfold_with_the_steps_leaks_whatever_its_steps_look_like() -> None:
    """Half of the responses leaked, the first half: its steps come to rest in every look."""
    first, second = (replace(look(left, left, steps), state=CheckState.FIXED) for left, steps in ((26, 50), (101, 200)))
    assert worth_another(first)
    found = decided(first, second)
    assert found.state is CheckState.LEAKS
    assert found.reason.startswith("open sockets: 26 sockets left open after 50 steps, 101 after 200")


def test_connections_that_grew_fourfold_with_the_steps_are_wasted_whatever_its_steps_look_like() -> None:
    """Half of the bodies were left unread, and closed: nothing is left over."""
    first, second = (
        replace(look(opened, 0, steps), state=CheckState.FIXED) for opened, steps in ((26, 50), (101, 200))
    )
    assert worth_another(first)
    found = decided(first, second)
    assert found.state is CheckState.LEAKS
    assert found.finding is not None
    assert (found.finding.kind, found.finding.metric) in {
        (FindingKind.HELD, "open_sockets"),
        (FindingKind.WASTED, "connections_opened"),
    }
    assert not worth_another(replace(look(10, 0, 50), state=CheckState.FIXED)), "a pool of ten is usual"


def test_a_clean_half_that_leaves_no_more_than_a_client_keeps_is_not_looked_at_again() -> None:
    assert not worth_another(said(yours(lambda step: min(step, 3))))
    assert worth_another(said(yours(lambda step: min(step, 5))))


def test_nothing_is_a_pool_where_the_measurement_cannot_be_trusted() -> None:
    first, second = look(4, 4, 50), look(4, 4, 50 * MORE)
    assert second.result is not None
    turned = {**second.result.halves, "leaky": half("leaky", scripted.trace("leaky", lambda _: 0))}
    assert not is_pool(first, replace(second, result=replace(second.result, halves=turned)))


def test_one_for_each_item_is_told_although_all_items_were_taken_first() -> None:
    found = look(50, 0, 50)
    assert found.state is CheckState.LEAKS
    assert found.finding is not None
    assert "50" in found.finding.reason
    assert found.showed is None


# ---- when it showed first


def test_memory_that_was_there_before_the_first_step_is_told_so() -> None:
    trace = scripted.trace(YOURS, lambda _: 0, rss=300 * MIB)
    trace = replace(trace, samples=(replace(trace.samples[0], values={"rss": 20 * MIB}), *trace.samples[1:]))
    finding = Finding(FindingKind.HELD, "rss", 280 * MIB, 128 * MIB, "held")
    assert first_showed(trace, scripted.trace("fixed", lambda _: 0), finding) == FirstSeen(0, 0)


def test_where_not_every_step_was_sampled_the_steps_between_are_told() -> None:
    trace = scripted.trace(YOURS, lambda step: max(0, step - 20))
    few = [sample for sample in trace.samples if sample.phase is not Phase.STEP or sample.steps_done % 10 == 0]
    finding = Finding(FindingKind.LEAKED, "open_sockets", 30, 0, "leaked")
    fixed = scripted.trace("fixed", lambda step: min(step, 1))
    assert first_showed(replace(trace, samples=tuple(few)), fixed, finding) == FirstSeen(21, 30)


def test_what_came_and_went_is_not_when_it_showed() -> None:
    trace = scripted.trace(YOURS, lambda step: 9 if step == 5 else max(0, step - 30))
    finding = Finding(FindingKind.LEAKED, "open_sockets", 20, 0, "leaked")
    assert first_showed(trace, scripted.trace("fixed", lambda _: 0), finding) == FirstSeen(31, 31)


# ---- work that no service counts, and errors that are answers


def huge(cpu_s: float, peak: int) -> CheckResult:
    settings = Settings(steps=50, size=256 * MIB)
    bounds = Thresholds(memory=128 * MIB)

    def one(name: str, at_peak: int, end: int, took: float) -> HalfResult:
        trace = scripted.trace(name, lambda _: 0, rss=end)
        first = replace(trace.samples[0], values={**trace.samples[0].values, "rss": 15 * MIB})
        clock = Sample(Phase.CLOCK, 0, 0.0, {"rss": at_peak})
        return half(name, replace(trace, samples=(first, clock, *trace.samples[1:]), cpu_s=took), None, bounds)

    halves = (
        one("leaky", 271 * MIB, 271 * MIB, 1.0),
        one("fixed", 271 * MIB, 15 * MIB, 1.0),
        one(YOURS, peak, 15 * MIB, cpu_s),
    )
    return judged(HUGE, FILE, settings, scripted.result(*halves, settings=settings), last=True)


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
def test_whoever_neither_held_the_data_nor_worked_for_it_has_invented_the_answer(
    cpu_s: float, peak: int, state: CheckState
) -> None:
    assert huge(cpu_s, peak).state is state


LATE = Raised(("TimeoutError", "OSError"), "stock is late")
LINE = SourceLine("mine.py", 3, "raise TimeoutError(late)  # stock")


def waited(raised: Raised, elapsed_s: float, requests: Mapping[str, int]) -> CheckResult:
    settings = WAIT.settings
    bounds = Thresholds(deadline_s=settings.deadline)

    def one(name: str, took: float, ending: Ending | None = None) -> HalfResult:
        values: Mapping[str, float | None] = {"threads": 1, "open_sockets": 0, "open_fds": 4}
        outcome = Outcome.CRASHED if ending else Outcome.COMPLETED
        phases = (Phase.BASELINE, Phase.RETURNED, Phase.COLLECTED)
        samples = tuple(Sample(phase, 0, took, values) for phase in phases)
        trace = Trace(name, outcome, 0, took, 0.0, samples, ending=ending, requests_by_route=requests)
        return half(name, trace, None, bounds)

    halves = (one("leaky", 3.0), one("fixed", 0.5), one(YOURS, elapsed_s, Ending(f"it raised {raised}", LINE, raised)))
    return judged(
        WAIT, FILE, settings, scripted.result(*halves, scenario="unbounded-wait", settings=settings), last=True
    )


ASKED = {"profiles": 2, "silent": 1}


@pytest.mark.parametrize(
    ("raised", "elapsed_s", "requests", "state"),
    [
        (LATE, 0.5, ASKED, CheckState.FIXED),
        (Raised(LATE.kinds, "somebody is late"), 0.5, ASKED, CheckState.FAILED),
        (Raised(("ServiceLate", *LATE.kinds), "stock is late"), 0.5, ASKED, CheckState.FIXED),
        (Raised(("ReadTimeout", "OSError"), "stock"), 0.5, ASKED, CheckState.FAILED),
        (LATE, 3.0, ASKED, CheckState.LEAKS),
        (LATE, 0.5, {}, CheckState.WRONG_WORK),
        (LATE, 0.3, ASKED, CheckState.WRONG_WORK),
        (LATE, 0.4, ASKED, CheckState.FIXED),
        (LATE, 0.8, ASKED, CheckState.UNDECIDED),
    ],
    ids=[
        "named",
        "unnamed",
        "of a class of their own",
        "another error",
        "too late",
        "asked nobody",
        "given up early",
        "with a reserve",
        "a little late",
    ],
)
def test_an_error_that_names_the_late_service_is_an_answer_if_the_work_was_done(
    raised: Raised, elapsed_s: float, requests: Mapping[str, int], state: CheckState
) -> None:
    assert waited(raised, elapsed_s, requests).state is state


def test_an_error_is_no_answer_where_the_scenario_does_not_say_so() -> None:
    assert said(ended(f"it raised {LATE}", LINE, LATE)).state is CheckState.FAILED


# ---- files that need not be run


@pytest.fixture
def never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Result:
        pytest.fail("it was run")

    monkeypatch.setattr("leaklab.workshop.checking.run_halves", refuse)


@pytest.mark.parametrize(
    ("source", "line", "name"),
    [
        ("import leaklab\n", 1, "leaklab"),
        ("import requests, leaklab.workshop.checking as c\n", 1, "leaklab"),
        ("\nfrom leaklab.services import http_routes\n", 2, "leaklab"),
        ("def run(urls):\n    from leaklab import check\n", 2, "leaklab"),
        ("import importlib\nimportlib.import_module('leaklab.measure.worker')\n", 2, "leaklab"),
        ("routes = __import__('leaklab')\n", 1, "leaklab"),
        ("import sys\nworker = sys.modules['__main__']\n", 2, "__main__"),
        ("import sys\nworker = sys.modules.get('__main__')\n", 2, "__main__"),
        ("import __main__\n", 1, "__main__"),
        ("import helper\n", 1, "leaklab"),
    ],
)
@pytest.mark.usefixtures("never_run")
def test_a_file_that_reaches_into_the_lab_is_refused_with_its_line(
    tmp_path: Path, source: str, line: int, name: str
) -> None:
    (tmp_path / "helper.py").write_text("import leaklab\n")
    file = tmp_path / "mine.py"
    file.write_text(source)
    found = check(Catalog().get("unclosed-body"), file)
    assert (found.state, found.result) == (CheckState.REFUSED, None)
    assert found.place is not None
    assert found.place.line == line
    assert name in found.reason


@pytest.mark.parametrize(
    ("source", "words", "line"),
    [
        (b"def run(urls):\n    return [\n", "SyntaxError: '[' was never closed", 2),
        (b"def run(urls):\nreturn 1\n", "IndentationError", 2),
        (b"x = '\xff'\n", "SyntaxError", 1),
        (b"x = 1\x00\n", "null bytes", None),
        (b"x = " + b"(" * 5_000 + b"\n", "Error", None),
    ],
)
@pytest.mark.usefixtures("never_run")
def test_a_file_that_is_no_python_is_told_at_once_with_its_line(
    tmp_path: Path, source: bytes, words: str, line: int | None
) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes(source)
    found = check(Catalog().get("unclosed-body"), file)
    assert found.state is CheckState.FAILED
    assert words in found.reason
    if line is not None:
        assert found.place is not None
        assert found.place.line == line


def test_what_only_looks_like_reaching_into_the_lab_is_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.py"
    file.write_text('"""leaklab check mine.py"""\nif __name__ == "__main__":\n    print("leaklab")\n')
    ran: list[object] = []

    def run(*given: object) -> Result:
        ran.append(given)
        return measured(yours(lambda step: min(step, 1)))

    monkeypatch.setattr("leaklab.workshop.checking.run_halves", run)
    assert check(Catalog().get("unclosed-body"), file).fixed
    assert len(ran) == 1


@pytest.mark.parametrize("fits", [True, False], ids=["more steps fit", "they do not"])
def test_what_is_undecided_is_measured_once_more_with_more_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    from leaklab.errors import UsageError
    from leaklab.lab.pair import RunOptions

    file = tmp_path / "mine.py"
    file.write_text("def run(urls): ...\n")
    steps: list[int | None] = []

    def run(entry: object, paths: object, settings: Settings, options: RunOptions) -> Result:
        steps.append(settings.steps)
        if settings.steps != 50 and not fits:
            raise UsageError("too many")
        return measured(yours(lambda step: step // 10))

    monkeypatch.setattr("leaklab.workshop.checking.run_halves", run)
    check(Catalog().get("unclosed-body"), file, learners_options())
    assert steps == [50, 50 * MORE] + ([] if fits else [50])


# ---- the reports


def shown(found: object, width: int = 80) -> str:
    out = StringIO()
    Console(width=width, color_system=None, file=out, highlight=False).print(found)
    return out.getvalue()


EXERCISE = Exercise(scenario="unclosed-body", started="2026-05-04T09:30:00+00:00", attempts=3)


@pytest.mark.parametrize(
    "found",
    [
        said(yours(lambda step: min(step, 1))),
        said(yours(lambda step: step)),
        said(yours(lambda _: 0, complaint="the services were asked none; the work is 50 × profiles")),
        said(ended("it raised ValueError: no", SourceLine("unclosed_body.py", 5, "raise"))),
        said(yours(lambda step: min(step, 1)), leaky=half("leaky", scripted.trace("leaky", lambda _: 0))),
        said(half(YOURS, scripted.trace(YOURS, lambda step: step, output="one\ntwo\n\x1b[2Jthree\n" * 40))),
    ],
    ids=lambda found: found.state.value,
)
def test_every_report_fits_a_screen_of_80_by_24(found: CheckResult) -> None:
    lines = shown(check_report(found, Path("unclosed_body.py"), EXERCISE)).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    # Two lines below it belong to `watch`, one to the shell.
    assert len(lines) <= 24 - 3
    assert "\x1b" not in "\n".join(lines)
    assert lines[0].startswith(("FIXED", "NOT FIXED", "NOT DECIDED"))


def test_the_report_of_a_leak_stands_beside_leaky_and_fixed() -> None:
    text = shown(check_report(said(yours(lambda step: step)), Path("mine.py"), EXERCISE))
    assert "leaky   fixed   yours" in text
    assert "It showed first at step 2" in text
    assert "leaklab hint mine.py" in text


def test_the_document_is_json_and_says_what_the_report_says() -> None:
    found = said(yours(lambda step: step))
    document = json.loads(json.dumps(check_document(found, EXERCISE)))
    assert (document["fixed"], document["state"], document["scenario"]) == (False, "leaks", "unclosed-body")
    assert document["first_showed"] == {"first": 2, "last": 2}
    assert document["finding"]["metric"] == "open_sockets"
    assert set(document["result"]["halves"]) == {"leaky", "fixed", "yours"}
    assert document["result"]["halves"]["yours"]["verdict"] == Verdict.LEAKS


def test_hints_so_far_are_shown_and_none_of_those_to_come() -> None:
    text = shown(hints_report(("one", "two", "three"), 2))
    assert "Hint 1 of 3" in text
    assert "Hint 2 of 3" in text
    assert "three" not in text


@pytest.mark.parametrize("width", [80, 200])
def test_the_solution_marks_what_differs_and_leaves_the_task_out(width: int) -> None:
    learners = '"""A task.\n\nOf lines.\n"""\n\nx = 1\nold = 2\n'
    console = Console(width=width)
    text = shown(solution_report(learners, "mine.py", "x = 1\nnew = 2\n", console), width)
    assert "-   7  old = 2" in text
    assert "+   2  new = 2" in text
    assert "A task" not in text


def test_a_solution_that_is_ours_word_for_word_is_told_so() -> None:
    assert "line by line" in shown(solution_report('"""Task."""\n\nx = 1\n', "mine.py", "x = 1\n", Console(width=80)))


def test_a_scenario_says_nothing_of_errors_and_effort_unless_it_is_told() -> None:
    plain = Scenario(title="t", leaks="l", summary="s", workload=lambda _: {}, expected={}, telling=())
    assert (plain.check_error, plain.effort, plain.hints, plain.task) == (None, None, (), "")
