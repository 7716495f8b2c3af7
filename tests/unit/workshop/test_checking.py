"""The check of scripted measurements, and of files that need not be run; tests/golden/check.txt has the screens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from leaklab.content.catalog import Catalog
from leaklab.content.declaration import Scenario
from leaklab.content.settings import Settings
from leaklab.explain.evidence import CodeSite
from leaklab.judge.findings import Finding
from leaklab.judge.scaling import Thresholds
from leaklab.lab.result import HalfResult, MeasuredRun, Result, half_result
from leaklab.lab.run_options import RunOptions
from leaklab.measure.run_trace import COMPLETED, Ending, Outcome, Phase, Raised, Sample, Trace
from leaklab.measure.source_line import SourceLine
from leaklab.metrics import FindingKind
from leaklab.reports.check_report import check_report, hints_report, solution_report
from leaklab.reports.document import check_document
from leaklab.workshop.check_result import YOURS, CheckResult, CheckState, FirstSeen
from leaklab.workshop.checking import check, first_showed, judge_file
from leaklab.workshop.found_line import found_line
from leaklab.workshop.progress_file import Exercise
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections
from tests.unit.scripted import MIB

FILE = Path("/exercises/unclosed_body.py")
ENTRY = Catalog().get("unclosed-body")
HUGE = Catalog().get("huge-array").scenario
WAIT = Catalog().get("unbounded-wait").scenario
BODY_LINE = SourceLine("unclosed_body.py", 5, "raise ValueError('no')")


def half(name: str, trace: Trace, complaint: str | None = None, bounds: Thresholds | None = None) -> HalfResult:
    return half_result(name, [scripted.measured(trace, complaint)], bounds or Thresholds(), scripted.CAPACITIES)


def yours(sockets_at: Callable[[int], int], complaint: str | None = None, output: str = "") -> HalfResult:
    return half(YOURS, scripted.trace(YOURS, sockets_at, output=output), complaint)


def control(name: str, sockets_at: Callable[[int], int]) -> HalfResult:
    known = ENTRY.scenario.expected[name].findings
    run = MeasuredRun(scripted.trace(name, sockets_at), None, scripted.STEPS, known=known)
    return half_result(name, [run], Thresholds())


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


def checked(mine: HalfResult, **turned: HalfResult) -> CheckResult:
    result = measured(mine, **turned)
    return judge_file(ENTRY.scenario, FILE, result.settings, result)


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


# ---- the halves with known verdicts


@pytest.mark.parametrize(
    ("turned", "words"),
    [
        ({"leaky": none}, "the leaky half should leak, but its verdict is clean"),
        ({"fixed": each}, "the fixed half has 50 sockets too"),
        ({"fixed": lambda step: min(step, 26)}, "the fixed half has 26 sockets too"),
    ],
)
def test_nothing_is_decided_unless_the_known_halves_were_measured_as_what_they_are(
    turned: dict[str, Callable[[int], int]], words: str
) -> None:
    halves = {name: control(name, sockets_at) for name, sockets_at in turned.items()}
    found = checked(yours(one), **halves)
    assert (found.state, words in found.reason) == (CheckState.UNDECIDED, True)


def test_a_fixed_half_may_have_a_pool() -> None:
    assert checked(yours(one), fixed=control("fixed", lambda step: min(step, 10))).state is CheckState.FIXED


# ---- when it first showed


BUFFER = scripted.trace(YOURS, lambda _: 0, rss=300 * MIB)
FROM_THE_START = (replace(BUFFER.samples[0], values={"rss": 20 * MIB}), *BUFFER.samples[1:])
LATER = scripted.trace(YOURS, lambda step: max(0, step - 20))
FEW = tuple(sample for sample in LATER.samples if sample.phase is not Phase.STEP or sample.steps_done % 10 == 0)


@pytest.mark.parametrize(
    ("trace", "finding", "seen"),
    [
        (
            replace(BUFFER, samples=FROM_THE_START),
            Finding.of(FindingKind.HELD, "rss", 280 * MIB, 128 * MIB, ""),
            (0, 0),
        ),
        (replace(LATER, samples=FEW), Finding.of(FindingKind.LEAKED, "open_sockets", 30, 0, ""), (21, 30)),
        (
            scripted.trace(YOURS, lambda step: 9 if step == 5 else max(0, step - 30)),
            Finding.of(FindingKind.LEAKED, "open_sockets", 20, 0, ""),
            (32, 32),
        ),
    ],
    ids=["before the first step", "between two samples", "what came and went does not count"],
)
def test_it_first_showed_at_the_step_from_which_it_stayed_above_the_fixed_half(
    trace: Trace, finding: Finding, seen: tuple[int, int]
) -> None:
    assert first_showed(trace, scripted.trace("fixed", one), finding) == FirstSeen(*seen)


# ---- memory, and errors that are answers


def huge(end: int) -> CheckResult:
    settings = HUGE.settings

    def buffer(name: str, end: int) -> HalfResult:
        trace = scripted.trace(name, lambda _: 0, rss=end)
        first = replace(trace.samples[0], values={**trace.samples[0].values, "rss": 15 * MIB})
        clock = Sample(Phase.CLOCK, 0, 0.0, {"rss": 271 * MIB})
        trace = replace(trace, samples=(first, clock, *trace.samples[1:]))
        return half(name, trace, None, Thresholds(memory=128 * MIB))

    halves = (buffer("leaky", 271 * MIB), buffer("fixed", 15 * MIB), buffer(YOURS, end))
    return judge_file(HUGE, FILE, settings, scripted.result(*halves, settings=settings))


LATE = Raised(("TimeoutError", "OSError"), "stock is late")
ASKED = {"profiles": 2, "drip": 1}


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
    result = replace(scripted.result(*halves, scenario="unbounded-wait", settings=settings), bounds=bounds)
    return judge_file(WAIT, FILE, settings, result)


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
    assert (plain.check_error, plain.hints, plain.task) == (None, (), "")


# ---- files that need not be run


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[RunOptions]:
    """The options of each run of the lab, which are not made."""
    asked: list[RunOptions] = []

    def run(entry: object, paths: object, settings: Settings, options: RunOptions) -> Result:
        asked.append(options)
        return measured(yours(one))

    monkeypatch.setattr("leaklab.workshop.checking.run_halves", run)
    return asked


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
    tmp_path: Path, runs: list[RunOptions], source: bytes, state: CheckState, words: str, line: int | None
) -> None:
    (tmp_path / "helper.py").write_text("import leaklab\n")
    (tmp_path / "mine.py").write_bytes(source)
    found = check(ENTRY, tmp_path / "mine.py")
    assert (found.state, found.result, runs) == (state, None, [])
    assert words in found.reason
    assert line is None or (found.place is not None and found.place.line == line)


def test_what_only_looks_like_using_the_lab_is_run_beside_the_halves_with_known_verdicts(
    tmp_path: Path, runs: list[RunOptions]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text('"""leaklab check mine.py"""\nif __name__ == "__main__":\n    print("leaklab")\n')
    assert check(ENTRY, file).fixed
    assert [options.controls for options in runs] == [{"leaky", "fixed"}]


# ---- the reports


EXERCISE = Exercise(scenario="unclosed-body", started="2026-05-04T09:30:00+00:00", attempts=3)
SOLVED = msgspec.structs.replace(EXERCISE, attempts=1_000, hints=3, solved="2026-05-04T10:30:00+00:00")
LEARNERS = '"""A task.\n\nOf lines.\n"""\n\nx = 1\nold = 2\n'


def explained() -> HalfResult:
    """A learner's half whose two findings come from two lines, the first of its own file."""
    own = CodeSite("cheat.py", 1, "run", "import leaklab")
    other = CodeSite("helper.py", 7, "ask", "session.get(url)")
    first = scripted.evidence(49, own, scripted.KEPT), scripted.evidence(1, own, note="no Python object")
    return scripted.explained(yours(each), first, (scripted.evidence(50, other, note="closed"),))


def wasteful() -> HalfResult:
    """A learner's half that reuses no connection, with what became of them."""
    mine = half(YOURS, scripted.Half().counts("connections_opened", each).trace())
    line = CodeSite(FILE.name, 25, "run", "session.get(url)")
    return scripted.explained(mine, (scripted.evidence(50, line, note="closed with its body unread"),))


def buffer() -> Finding:
    """Memory that a module beside the learner's file made."""
    line = CodeSite("helper.py", 7, "read", "readings = array(…)")
    found = Finding.of(FindingKind.HELD, "rss", 256 * MIB, 128 * MIB, "much")
    return msgspec.structs.replace(found, evidence=(scripted.evidence(1, line, scripted.KEPT),))


def late() -> Finding:
    """An answer that is waited for in a line of the learner's file."""
    line = CodeSite(FILE.name, 12, "run", "answer = future.result()")
    found = Finding.of(FindingKind.STALLED, "elapsed", 3.0, 0.5, "late")
    waits = msgspec.structs.replace(scripted.evidence(1, line), waits_at=line)
    return msgspec.structs.replace(found, evidence=(waits,))


def screens(folder: Path) -> dict[str, tuple[CheckState, CheckResult]]:
    """A check for each kind of screen, with its state."""
    for name, source in {"cheat": "import leaklab\n", "worker": "import __main__\n", "typo": "def run(urls:\n"}.items():
        (folder / f"{name}.py").write_text(source)
    error, quit_ = Raised(("ValueError",), "no"), Raised(("BdbQuit", "Exception"), "")
    gone = SourceLine("x.py", BODY_LINE.line, BODY_LINE.text)
    stopped = replace(measured(yours(one)), interrupted=True, halves={})
    return {
        "fixed": (CheckState.FIXED, replace(checked(yours(one)), why=ENTRY.why)),
        "fixed_with_every_choice": (
            CheckState.FIXED,
            replace(checked(yours(one)), also_with=("dead=silent", "dead=drip-head")),
        ),
        "leaks_with_another_choice": (CheckState.LEAKS, replace(checked(yours(each)), choice="dead=drip-head")),
        "fixed_and_prints": (CheckState.FIXED, replace(checked(yours(one, output="one\ntwo\n" * 9)), why=ENTRY.why)),
        "leaks": (CheckState.LEAKS, checked(yours(each))),
        "leaks_late": (CheckState.LEAKS, replace(checked(yours(each)), showed=FirstSeen(21, 30))),
        "explained": (CheckState.LEAKS, checked(explained())),
        "wastes": (CheckState.LEAKS, checked(half(YOURS, scripted.Half().counts("connections_opened", each).trace()))),
        "held_memory_before": (CheckState.LEAKS, huge(271 * MIB)),
        "holds_memory": (CheckState.LEAKS, replace(huge(271 * MIB), showed=FirstSeen(2, 2))),
        "prints": (CheckState.LEAKS, checked(yours(each, output="one\ntwo\n\x1b[2Jthree\n" * 40))),
        "skips_the_work": (CheckState.WRONG_WORK, checked(yours(none, complaint="it asked the services for nothing"))),
        "fails": (CheckState.FAILED, checked(ended("it raised ValueError: no", BODY_LINE, error))),
        "fails_in_a_file_that_is_gone": (CheckState.FAILED, checked(ended("it exited with code 3", gone))),
        "stops_at_a_breakpoint": (CheckState.FAILED, checked(ended(f"it raised {quit_}", BODY_LINE, quit_))),
        "has_no_run": (CheckState.FAILED, checked(ended("it has no function run()"))),
        "is_no_python": (CheckState.FAILED, check(ENTRY, folder / "typo.py")),
        "times_out": (CheckState.TIMED_OUT, checked(timed_out(BODY_LINE))),
        "uses_the_lab": (CheckState.REFUSED, check(ENTRY, folder / "cheat.py")),
        "uses_the_worker": (CheckState.REFUSED, check(ENTRY, folder / "worker.py")),
        "undecided": (CheckState.UNDECIDED, waited(LATE, 0.8, ASKED)),
        "not_trusted": (CheckState.UNDECIDED, checked(yours(one), leaky=control("leaky", none))),
        "not_trusted_either": (CheckState.UNDECIDED, checked(yours(one), fixed=control("fixed", each))),
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
    own = msgspec.structs.replace(EXERCISE, scenarios="../ours")
    shown["fixed, of a folder of scenarios"] = rendered(check_report(checked(yours(one)), Path("x/mine.py"), own))
    at = datetime.fromisoformat("2026-05-04T10:31:00").astimezone()
    kept = replace(checked(yours(one)), controls_at=at)
    shown["leaks, in watch"] = rendered(check_report(checked(yours(each)), FILE, EXERCISE, "Stuck? Press h."))
    shown["fixed, in watch"] = rendered(check_report(kept, Path("unclosed_body.py"), EXERCISE, "Press n to go on."))
    assert_golden("check", sections(**shown))


def test_the_document_is_json_and_agrees_with_the_report() -> None:
    document = json.loads(json.dumps(check_document(checked(yours(each)), EXERCISE)))
    assert (document["fixed"], document["state"], document["scenario"]) == (False, "leaks", "unclosed-body")
    assert (document["first_showed"], document["finding"]["metric"]) == ({"first": 2, "last": 2}, "open_sockets")
    verdicts = {name: half["verdict"] for name, half in document["result"]["halves"].items()}
    assert verdicts == {"leaky": "leaks", "fixed": "clean", "yours": "leaks"}


def test_hints_and_solution() -> None:
    hints = ("one", "two", "three")
    shown = {f"{number}_hints": rendered(hints_report(hints, number)) for number in (2, 3, 4)}
    shown["all_hints_in_your_file"] = rendered(hints_report(hints, 4, seen="line 3 opened it"))
    seen = {
        "left": found_line(checked(explained())),
        "not_reused": found_line(checked(wasteful())),
        "held": found_line(replace(checked(yours(each)), finding=buffer())),
        "late": found_line(replace(checked(yours(each)), finding=late())),
    }
    assert found_line(checked(yours(each))) == found_line(checked(yours(one))) == ""
    shown |= {
        f"hint_with_evidence_{kind}": rendered(hints_report(hints, 1, seen=words)) for kind, words in seen.items()
    }
    for width in (60, 120):
        solution = solution_report(LEARNERS, "mine.py", "x = 1\nnew = 2\n", "It is [new].", Console(width=width))
        shown[f"solution_at_{width}"] = rendered(solution, width)
    same = solution_report('"""Task."""\n\nx = 1\n', "mine.py", "x = 1\n", "", Console(width=80))
    shown["solution_found"] = rendered(same)
    assert "A task" not in shown["solution_at_60"]
    assert_golden("exercise", sections(**shown))
