"""Every command's screen at 80 × 24 and at 120 × 40, in tests/golden: whole, and no taller than the terminal.

`show` and a long list are pages. What `start`, `next`, `reset` and `new` say are lines of text (test_cli_workshop.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from leaklab.content.catalog import Catalog
from leaklab.doctor.health import Health, HealthCheck
from leaklab.explain.evidence import CodeSite
from leaklab.judge.scaling import Thresholds
from leaklab.lab.forecast import Forecast
from leaklab.lab.prediction import Guess, predictions, questions
from leaklab.lab.result import HalfResult, Result, half_result
from leaklab.lab.until_failure import Failure
from leaklab.lab.validation import Validation
from leaklab.metrics import Resource
from leaklab.reports.check_report import check_report, hints_report, solution_report
from leaklab.reports.checkup import checkup
from leaklab.reports.failure import failure_table
from leaklab.reports.guesses import predicted_result
from leaklab.reports.lesson import code
from leaklab.reports.standings import progress_report
from leaklab.reports.table import Comparison, scenario_list, scenario_result, validation_line
from leaklab.workshop.check_result import YOURS, CheckResult
from leaklab.workshop.checking import judge_file
from leaklab.workshop.exercises import exercise_text
from leaklab.workshop.found_line import found_line
from leaklab.workshop.progress_file import Exercise
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections
from tests.unit.scripted import MIB, Half
from tests.unit.workshop.test_learners import read, room

BODY = Catalog().get("unclosed-body")
SLOW = Thresholds(deadline_s=0.5, hang_s=3.0)
BUDGET = Thresholds(memory=128 * MIB)
STREAMED = "response = session.get(url, stream=True)"
UNREAD = "still open with its body unread (395,398 to 521,568 bytes left)"


def counted(half: str, **series: int) -> HalfResult:
    """A half in which each of these counts comes to so many, evenly; 1 is there from the first step on."""
    made = Half(elapsed_s=0.12).counts("requests_served", lambda done: done).counts("threads", lambda _: 1, before=1)
    for name, most in series.items():
        rising = (lambda done, most=most: done * most // 50) if most > 1 else (lambda done, most=most: min(done, most))
        made.counts(name, rising)
    made.counts("rss", lambda _: 30.0 * MIB, before=30.0 * MIB)
    return judged(half, made)


def judged(half: str, made: Half, bounds: Thresholds | None = None) -> HalfResult:
    trace = replace(made.trace(half), answer=[])
    one = scripted.measured(trace)
    return half_result(half, [one], bounds or Thresholds(), scripted.CAPACITIES)


LEAKY = scripted.explained(
    counted("leaky", open_sockets=50, connections_opened=50),
    (scripted.evidence(50, CodeSite("leaky.py", 11, "run", STREAMED), scripted.KEPT),),
    (scripted.evidence(50, CodeSite("leaky.py", 11, "run", STREAMED), note=UNREAD),),
)
ALMOST = scripted.explained(
    counted("almost", open_sockets=0, connections_opened=50),
    (scripted.evidence(50, CodeSite("almost.py", 13, "run", f"with {STREAMED[11:]} as response:"), note=UNREAD),),
)
FIXED = counted("fixed", open_sockets=1, connections_opened=1)


def waits(half: str, seconds: float) -> HalfResult:
    return judged(half, Half(0, elapsed_s=seconds).counts("threads", lambda _: 1, before=1), SLOW)


def holds(half: str, mebibytes: float) -> HalfResult:
    buffer = Half(elapsed_s=0.4).counts("rss", lambda _: (15 + mebibytes) * MIB, before=15.0 * MIB, returned=15.0 * MIB)
    return judged(half, buffer, BUDGET)


def result(scenario: str, *halves: HalfResult, telling: tuple[str, ...] = ("open_sockets",)) -> Result:
    settings = Catalog().get(scenario).scenario.settings
    return replace(scripted.result(*halves, scenario=scenario, settings=settings), telling=telling)


PAIR = result("unclosed-body", LEAKY, FIXED)
THREE = result("unclosed-body", LEAKY, ALMOST, FIXED)
COURSE = [
    THREE,
    result("close-in-loop", LEAKY, ALMOST, FIXED),
    result("open-cursor", counted("leaky", open_cursors=50), counted("fixed", open_cursors=0)),
    result("unbounded-wait", waits("leaky", 3.01), waits("fixed", 0.5), telling=("elapsed",)),
    result("huge-array", holds("leaky", 256), holds("fixed", 0), telling=("rss",)),
]
HANDS = {"leaky": {0: 12, 1: 3, 50: 15}, "fixed": {0: 22, 1: 5, 2: 1, 50: 2}}
BEGAN = "2026-05-04T09:30:00+00:00"
EXERCISE = Exercise(scenario="unclosed-body", started=BEGAN, attempts=3)


def guessed() -> RenderableType:
    asked = questions(BODY.scenario, ("leaky", "fixed"))
    made = [
        Guess(question, float(value), hands=hands)
        for question in asked[:2]
        for value, hands in HANDS[question.half].items()
    ]
    return predicted_result(PAIR, BODY.why, predictions(asked, made, PAIR))


def died() -> RenderableType:
    ahead = Forecast("open_sockets", 1.0, 64, 60, "about 60 steps until the limit of 64 open files (set for this run)")
    held = LEAKY.judgement.findings[0]
    error = "it raised OSError: [Errno 24] Too many open files (leaky.py, line 11: " + STREAMED + ")"
    stopped = replace(scripted.crashed(error), half="leaky")
    both = replace(PAIR, halves={"leaky": stopped, "fixed": FIXED})
    return failure_table(Failure(Resource.DESCRIPTORS, 64, ahead, 25, error, held, both))


def checked(folder: Path, *, fixed: bool) -> CheckResult:
    file = folder / "unclosed_body.py"
    file.write_text(exercise_text(BODY), encoding="utf-8")
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if STREAMED in text)
    site = CodeSite(file.name, line, "run", STREAMED)
    leaks = scripted.explained(
        counted(YOURS, open_sockets=50, connections_opened=50),
        (scripted.evidence(50, site, scripted.KEPT),),
        (scripted.evidence(50, site, note=UNREAD),),
    )
    mine = counted(YOURS, open_sockets=1, connections_opened=1) if fixed else leaks
    found = judge_file(BODY.scenario, file, BODY.scenario.settings, result("unclosed-body", LEAKY, FIXED, mine))
    return replace(found, why=BODY.why if fixed else "")


def screens(folder: Path, width: int) -> Mapping[str, RenderableType]:
    """What each command shows."""
    console = Console(width=width)
    bad, good = checked(folder, fixed=False), checked(folder, fixed=True)
    file, source, hints = Path("unclosed_body.py"), bad.file.read_text(encoding="utf-8"), BODY.scenario.hints
    keys, solved = "Press s to compare it with our solution, n for the next exercise.", solved_exercise()
    problems = [HealthCheck(name, Health.OK, "") for name in ("Python", "libraries", "measuring")] + [
        HealthCheck("open files", Health.WARNING, "64 (ulimit -n)", "raise it to 256 or more: ulimit -n 256")
    ]
    return {
        "list": scenario_list([(entry, None) for entry in Catalog().select([])], {"unclosed_body.py": solved}),
        "show --code": code({half: BODY.source(half) for half in ("leaky", "fixed")}, console),
        "show --code --almost": code({half: BODY.source(half) for half in BODY.halves}, console),
        "run": scenario_result(PAIR, BODY.why),
        "run --almost": scenario_result(THREE, BODY.why),
        "run --all --no-explain": scenario_result(result("unclosed-body", FIXED), BODY.why, every=True),
        "run --guesses": guessed(),
        "run --until-failure": died(),
        "compare": Comparison([replace(each, halves=without_almost(each)) for each in COURSE]),
        "compare --almost": Comparison(COURSE),
        "check": check_report(bad, file, EXERCISE),
        "check, fixed": check_report(good, file, solved),
        "watch, fixed": check_report(
            replace(good, controls_at=datetime(2026, 5, 4, 10, 31, tzinfo=UTC)), file, solved, keys
        ),
        "hint": hints_report(hints, 1, seen=found_line(bad)),
        "solution": solution_report(source, file.name, BODY.source("fixed"), BODY.scenario.release, console),
        "progress": progress_report(read(room(folder / "one")[3]), several=False),
        "progress DIR…": progress_report(read(*room(folder / "room")), several=True),
        "validate": validation_line(Validation("unclosed-body", (), THREE)),
        "doctor": checkup(problems),
    }


def solved_exercise() -> Exercise:
    return Exercise(scenario="unclosed-body", started=BEGAN, attempts=3, solved="2026-05-04T09:41:00+00:00")


def without_almost(of: Result) -> dict[str, HalfResult]:
    return {name: half for name, half in of.halves.items() if name != "almost"}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
def test_every_screen_is_whole_and_no_taller_than_the_terminal(
    width: int, height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    shown = {name: rendered(each, width) for name, each in screens(tmp_path, width).items()}
    for name, text in shown.items():
        lines = text.rstrip().splitlines()
        assert max(len(line.rstrip()) for line in lines) <= width, name
        # The prompt takes a line, too.
        assert len(lines) < height or name == "show --code --almost", name
    if width == 80:
        assert_golden("screens_80x24", sections(**shown))
    else:
        assert_golden("screens_120x40", sections(**shown))
