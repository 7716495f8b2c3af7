"""What authors declare and write, proved by running it: the template, the guide's example, hangs, limits, packages."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from leaklab.commands.options import run_options
from leaklab.commands.output import exit_code
from leaklab.content import settings as kinds
from leaklab.content.catalog import Catalog, Entry
from leaklab.content.declaration import Scenario
from leaklab.content.folder import BLANK, folder_problems, new_scenario
from leaklab.errors import ExitCode, MeasureError
from leaklab.lab.pair import run_scenario
from leaklab.lab.run_options import RunOptions, limits_of
from leaklab.lab.validation import Validation, validate
from leaklab.measure.run_trace import Outcome
from leaklab.system.limits import Limits
from leaklab.workshop.check_result import CheckState
from leaklab.workshop.checking import check
from leaklab.workshop.exercises import exercise_text

GUIDE = (Path(__file__).parents[3] / "docs" / "authoring.md").read_text(encoding="utf-8")
WAITS = "import time\ndef run(jobs):\n    for job in jobs:\n        time.sleep(60)\n"
RETURNS = "def run(jobs):\n    return [*jobs]\n"
SCENARIO = """
from leaklab.scenario import LEAKS_NOTHING, Expected, Scenario, Settings, Steps
SCENARIO = Scenario(
    title="Tiny", leaks="time", summary="it waits", telling=("elapsed",), {more}
    settings=Settings(steps=3, deadline=0.5),
    workload=lambda lab: {{"jobs": Steps(lab.steps)}}, time_limit=lambda settings: 1.5,
    expected={{"leaky": Expected("leaks", (("stalled", "elapsed"),)), "fixed": LEAKS_NOTHING}},
)
"""


def make(folder: Path, leaky: str = WAITS, more: str = "", **files: str) -> Entry:
    """A scenario whose leaky half is to hang."""
    texts = {"scenario": SCENARIO.format(more=more), "leaky": leaky, "fixed": RETURNS, **files}
    folder.mkdir()
    (folder / "lesson.md").write_text("# Tiny\n\n> Why.\n", encoding="utf-8")
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return Entry(folder)


def proved(entry: Entry) -> Validation:
    return validate(entry, RunOptions())


# ---- the template and the guide


def test_a_new_scenario_lists_the_place_of_every_blank_and_is_right_once_they_are_filled(tmp_path: Path) -> None:
    entry = Entry(new_scenario("slow-close", tmp_path))
    problems = folder_problems(entry)
    blanks = sum(path.read_text(encoding="utf-8").count(BLANK) for path in entry.folder.iterdir())
    assert len(problems) == blanks > 10
    assert f"slow_close/lesson.md, line 15: {BLANK}." in problems
    assert all(re.fullmatch(rf"slow_close/\w+\.\w+, line \d+: {BLANK}.*", each) for each in problems)
    assert max(map(len, problems)) <= 74, "each is one line of a terminal, indented"
    for path in entry.folder.iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace(BLANK, "Here is"), encoding="utf-8")
    assert proved(Entry(entry.folder)).problems == ()


def test_the_example_of_the_guide_is_a_whole_scenario_and_right(tmp_path: Path) -> None:
    files = re.findall(r"^`(\w+)/(\w+\.\w+)`:\n\n```\w+\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    (name,) = {folder for folder, _, _ in files}
    (tmp_path / name).mkdir()
    for _, file, text in files:
        (tmp_path / name / file).write_text(text, encoding="utf-8")
    assert proved(Entry(tmp_path / name)).problems == ()


def test_the_guide_names_every_field_and_every_kind_of_setting() -> None:
    first_cells = " ".join(re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE))
    names = [name for name, kind in vars(kinds).items() if isinstance(kind, kinds.Kind)]
    names += [each.name for each in fields(Scenario)]
    assert [name for name in names if f"`{name}`" not in first_cells] == []


# ---- a hang, and the time limit


def test_a_half_that_is_expected_to_be_stalled_may_hang_and_is_then_no_failure(tmp_path: Path) -> None:
    hangs = proved(make(tmp_path / "hangs"))
    assert hangs.problems == ()
    assert hangs.result is not None
    assert hangs.result.halves["leaky"].outcome is Outcome.TIMED_OUT
    assert exit_code([hangs.result], as_expected=hangs.result.as_expected) is ExitCode.DONE
    returns = proved(make(tmp_path / "returns", RETURNS))
    assert any("verdict clean, expected leaks" in problem for problem in returns.problems)


def test_a_scenarios_own_time_limit_holds_unless_one_is_asked_for(tmp_path: Path) -> None:
    scenario = make(tmp_path / "tiny").scenario
    for given, seconds in ((None, 1.5), (["memory=1GiB"], 1.5), (["time=6s"], 6.0)):
        assert limits_of(scenario, scenario.settings, run_options(given, "1", None, 20.0)).time_s == seconds
    built_in = Catalog().get("unclosed-body").scenario
    assert limits_of(built_in, built_in.settings, RunOptions()) == Limits()


# ---- partial fixes


def test_each_partial_fix_is_proved_and_may_be_right_with_some_settings(tmp_path: Path) -> None:
    entry = make(tmp_path / "tempted", RETURNS, almost=RETURNS, almost2=RETURNS)
    problems = proved(entry).problems
    scenario = entry.folder / "scenario.py"
    for half in ("almost", "almost2"):
        assert f"expected in {scenario} has no {half} half" in problems
    text = scenario.read_text(encoding="utf-8")
    leaks = 'Expected("leaks", (("stalled", "elapsed"),)'
    for steps, right in ((3, True), (4, False)):
        spared = f'{leaks}, unless={{"steps": {steps}}})'
        known = f'"leaky": {spared}, "almost": LEAKS_NOTHING, "almost2": {spared}'
        scenario.write_text(text.replace(f'"leaky": {leaks})', known), encoding="utf-8")
        surprises = proved(Entry(entry.folder)).problems
        assert (surprises == ()) is right, surprises
        assert ("almost2: verdict clean, expected leaks" in surprises) is not right


# ---- packages that may be missing


def test_a_package_that_is_missing_is_named_instead_of_measured(tmp_path: Path) -> None:
    entry = make(tmp_path / "lacking", more="requires=('json', 'no_such_thing=its-name'),")
    with pytest.raises(MeasureError, match=r"lacking needs no_such_thing, which .* -m pip install its-name$") as error:
        run_scenario(entry, entry.scenario.settings, RunOptions())
    assert proved(entry).problems == (str(error.value),)


# ---- a file that both halves share


def test_halves_and_exercises_import_the_shared_file_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    waits = "from shared import waits\ndef run(jobs):\n    return [waits() for job in jobs]\n"
    shared = "import time\ndef waits():\n    time.sleep(60)\n"
    entry = make(tmp_path / "ours", waits, fixed=f"from shared import waits\n{RETURNS}", shared=shared)
    assert folder_problems(entry) == []
    assert "It imports shared.py" in exercise_text(entry)
    mine = tmp_path / "mine.py"
    for text, state in ((entry.source("fixed"), CheckState.FIXED), ("from fixed import run\n", CheckState.REFUSED)):
        mine.write_text(text, encoding="utf-8")
        assert check(entry, mine).state is state, text
    assert len([*entry.folder.iterdir()]) == 5
    (entry.folder / "shared.py").write_text("import leaklab\n", encoding="utf-8")
    assert [problem for problem in folder_problems(entry) if "shared.py mentions leaklab" in problem]
