"""Finding scenarios: what is a scenario folder, what is wrong with a broken one, and what was probably meant."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from leaklab.content import catalog
from leaklab.content.built_in import built_in_folder
from leaklab.content.catalog import FILES, Catalog, Entry
from leaklab.content.declaration import Lab
from leaklab.content.languages import GO, PYTHON
from leaklab.errors import ExitCode, ScenarioError, UsageError
from leaklab.lab.provision import service_needs

BUILT_IN = ["unclosed-body", "close-in-loop", "open-cursor", "unbounded-wait", "huge-array"]
BUILT_IN += ["tailable-cursor", "decode-error", "abandoned-worker", "redirect-failure"]
"""In the order of the course."""

IN_GO_ONLY = ["late-sender"]

SCENARIO = """
from leaklab.scenario import LEAKS_NOTHING, Documents, Expected, Scenario, Settings, Steps

SCENARIO = Scenario(
    title="Tiny",
    leaks="nothing",
    summary="it is only found",
    settings=Settings(steps=3),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    expected={"leaky": Expected("leaks", (("leaked", "threads"),)), "fixed": LEAKS_NOTHING},
    telling=("threads",),
)
"""

LESSON = "# Tiny\n\n> it is\n> small\n\n> another quote\n"


@pytest.fixture(autouse=True)
def no_module_left() -> Iterator[None]:
    """Loading a scenario puts its module where dataclasses look for it; the next test must not find it."""
    yield
    for name in [name for name in sys.modules if name.startswith("leaklab_scenario_")]:
        del sys.modules[name]


def make(parent: Path, name: str, scenario: str = SCENARIO, /, **files: str) -> Entry:
    """A whole scenario folder; `files` are texts of other files, by name without the suffix."""
    folder = parent / name
    folder.mkdir()
    half = "def run(jobs):\n    return [*jobs]\n"
    texts = {"scenario": scenario, "leaky": half, "fixed": half, "lesson": LESSON, **files}
    for stem, text in texts.items():
        (folder / f"{stem}.{'md' if stem == 'lesson' else 'py'}").write_text(text, encoding="utf-8")
    return Entry(folder)


def why_broken(entry: Entry) -> str:
    with pytest.raises(ScenarioError) as error:
        _ = entry.scenario
    assert error.value.exit_code is ExitCode.WRONG_USAGE
    message = str(error.value)
    assert message.startswith(f"scenario {entry.id} is broken: ")
    assert "\n" not in message
    return message


# ---- where they are


def test_all_are_built_in_and_each_is_whole() -> None:
    entries = Catalog().select([])
    assert [entry.id for entry in entries] == BUILT_IN
    assert Catalog(built_in_folder()).select([]) == entries, "their own folder can be named too"
    for entry in [*entries, *Catalog().select([], GO)]:
        assert entry.scenario.title
        assert {"leaky", "fixed"} <= set(entry.halves)
        assert set(entry.halves) <= set(entry.scenario.expected), "each half that is there is expected to be something"


def test_every_one_is_in_go_too_and_one_is_in_go_only() -> None:
    assert [entry.id for entry in Catalog().select([], GO)] == [*BUILT_IN, *IN_GO_ONLY]
    both = Catalog().select([], PYTHON, GO)
    assert [(entry.id, entry.language) for entry in both[:2]] == [("unclosed-body", PYTHON), ("unclosed-body", GO)]
    assert [entry.language for entry in Catalog().select(["late-sender"], PYTHON, GO)] == [GO]
    with pytest.raises(
        UsageError, match=r"^late-sender has no halves in Python: it is in Go only \(`leaklab show .* --lang go`\)$"
    ):
        Catalog().get("late-sender", PYTHON)
    assert Catalog().get("late-sender").language is GO, "no other language can be meant"


def test_a_scenario_is_every_folder_with_a_file_of_one_sorted_by_name(tmp_path: Path) -> None:
    make(tmp_path, "zebra")
    make(tmp_path, "ant_hill")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "leaky.py").write_text("a file beside the folders")
    (tmp_path / "half_made").mkdir()
    (tmp_path / "half_made" / "fixed.py").write_text("")
    assert [entry.id for entry in catalog.scan(tmp_path)] == ["ant-hill", "half-made", "zebra"]


def test_loading_a_scenario_leaves_no_file_behind(tmp_path: Path) -> None:
    entry = make(tmp_path, "clean")
    before = sorted(tmp_path.rglob("*"))
    assert entry.scenario.title == "Tiny"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "there is no such folder"), ("a_file", "there is no such folder"), (".", "no scenario in it")],
)
def test_a_folder_that_is_none_or_holds_no_scenario_is_wrong_usage(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "a_file").write_text("")
    with pytest.raises(UsageError, match=re.escape(f"--scenarios {tmp_path / name}: {words}")):
        _ = Catalog(tmp_path / name).entries


@pytest.mark.parametrize("names", [["unclosed_body"], ["my_own", "my-own"]])
def test_two_scenarios_of_one_name_are_refused_and_the_folder_is_named(tmp_path: Path, names: list[str]) -> None:
    made = [make(tmp_path, name) for name in names]
    with pytest.raises(ScenarioError, match=f"two scenarios are called {made[0].id}") as error:
        _ = Catalog(tmp_path).entries
    assert str(made[0].folder) in str(error.value)


# ---- those of installed packages


def offer(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Have an installed package offer scenarios."""
    point = metadata.EntryPoint("theirs", package, catalog.ENTRY_POINTS)
    monkeypatch.setattr(metadata, "entry_points", lambda **_: [point])


def test_a_scenario_of_an_installed_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_scenarios").mkdir()
    make(tmp_path / "their_scenarios", "theirs")
    monkeypatch.syspath_prepend(tmp_path)
    offer(monkeypatch, "their_scenarios")
    assert Catalog().get("theirs").scenario.title == "Tiny"
    assert [entry.id for entry in Catalog().entries if entry.id not in [*BUILT_IN, *IN_GO_ONLY]] == ["theirs"]


def test_an_installed_package_that_cannot_be_loaded_is_named_and_the_others_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(monkeypatch, "no_such_package")
    found = Catalog()
    assert [entry.id for entry in found.select([])] == BUILT_IN
    assert len(found.problems) == 1
    assert "'no_such_package' cannot be loaded: ModuleNotFoundError: No module named" in found.problems[0]


# ---- by name


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A catalog of three."""
    monkeypatch.setattr(catalog, "built_in_folder", lambda: tmp_path)
    monkeypatch.setattr(metadata, "entry_points", lambda **_: [])
    second = SCENARIO.replace('title="Tiny"', 'title="Tiny", number=2')
    first = SCENARIO.replace('title="Tiny"', 'title="Tiny", number=1')
    make(tmp_path, "alpha", second)
    make(tmp_path, "beta", "raise ValueError('no')")
    make(tmp_path, "gamma_ray", first)
    return Catalog()


@pytest.mark.parametrize("name", ["gamma-ray", "gamma_ray", "GAMMA-Ray", " gamma-ray "])
def test_a_name_is_found_however_it_is_written(found: Catalog, name: str) -> None:
    assert found.get(name).id == "gamma-ray"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gama-ray", "did you mean gamma-ray"),
        ("aplha", "did you mean alpha"),
        ("bet", "did you mean beta"),
        ("xyz", "there are alpha, beta, gamma-ray"),
    ],
)
def test_a_name_that_is_unknown_gets_the_nearest_suggested_or_all_listed(found: Catalog, name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no scenario is called '{name}': {hint}"):
        found.get(name)


def test_all_are_selected_in_the_order_of_the_course_and_names_in_their_own_order_each_once(found: Catalog) -> None:
    assert [entry.id for entry in found.select([])] == ["gamma-ray", "alpha", "beta"], "a broken one comes last"
    assert [entry.id for entry in found.select(["gamma_ray", "alpha", "gamma-ray"])] == ["gamma-ray", "alpha"]


# ---- what is in the folder


def test_the_halves_that_are_there_are_named_in_the_order_they_are_shown(tmp_path: Path) -> None:
    assert make(tmp_path, "two").halves == ("leaky", "fixed")
    assert make(tmp_path, "three", almost="def run(jobs): ...").halves == ("leaky", "almost", "fixed")
    four = make(tmp_path, "four", almost="def run(jobs): ...", almost2="def run(jobs): ...")
    assert four.halves == ("leaky", "almost", "almost2", "fixed")


def test_the_one_line_of_why_is_the_first_quote_of_the_lesson_and_files_are_utf_8(tmp_path: Path) -> None:
    assert make(tmp_path, "quoted").why == "it is small"
    assert make(tmp_path, "unquoted", lesson="# Nothing\n").why == ""
    assert make(tmp_path, "umlauts", leaky="# äöü\n").source("leaky") == "# äöü\n"


# ---- what is broken is named


@pytest.mark.parametrize("missing", FILES)
def test_a_missing_file_is_named_with_its_path(tmp_path: Path, missing: str) -> None:
    entry = make(tmp_path, "holey")
    (entry.folder / missing).unlink()
    assert why_broken(entry).endswith(f"{entry.folder / missing} is missing")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def broken(:\n", ", line 1: SyntaxError: "),
        ("\n\nimport no_such_thing\n", ", line 3: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("x = 1\n1 / 0\n", ", line 2: ZeroDivisionError: division by zero"),
        ("raise LookupError\n", ", line 1: LookupError"),
        ("import sys\nsys.exit(3)\n", ", line 2: SystemExit: 3"),
        ("from leaklab.content.declaration import Scenario\nSCENARIO = Scenario(title='x')\n", ", line 2: TypeError: "),
        ("", "must set SCENARIO to a leaklab.scenario.Scenario"),
        ("SCENARIO = {'title': 'x'}\n", "must set SCENARIO to a leaklab.scenario.Scenario"),
    ],
)
def test_a_scenario_file_that_cannot_be_used_is_named_with_the_line_and_the_reason(
    tmp_path: Path, text: str, words: str
) -> None:
    entry = make(tmp_path, "broken", text)
    message = why_broken(entry)
    assert str(entry.folder / "scenario.py") in message
    assert words in message


def test_loading_can_be_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _ = make(tmp_path, "leaving", "raise KeyboardInterrupt").scenario


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title="Tiny"', 'title="Tiny", services=("http", "smtp")', "unknown service 'smtp': there are http, mongo"),
        ('telling=("threads",)', 'telling=("thread",)', "unknown metric 'thread' in telling: there are open_sockets"),
        ('telling=("threads",)', 'telling=("open_cursors",)', "nothing counts it: services must name mongo"),
        (
            'telling=("threads",)',
            'telling=("threads", "open_sockets")',
            "open_sockets is in telling, but nothing counts it: services must name http or mongo",
        ),
        ('"fixed": LEAKS_NOTHING', '"almost": LEAKS_NOTHING', "expected has no fixed half"),
        ('"fixed": LEAKS_NOTHING', '"fixed": LEAKS_NOTHING, "best": LEAKS_NOTHING', "expected names 'best'"),
        (
            '"fixed": LEAKS_NOTHING',
            '"fixed": Expected("leaks", unless={"dead": "silent"})',
            "expected of fixed, unless has no setting 'dead'",
        ),
        ('Expected("leaks"', 'Expected("leaky"', "expected verdict 'leaky' of leaky: it can be "),
        ('("leaked", "threads")', '("leaking", "threads")', "expected finding ('leaking', 'threads') of leaky"),
        ('("leaked", "threads")', '("leaked", "thread")', "expected finding ('leaked', 'thread') of leaky"),
        ("steps=3", "steps=0", "setting steps: 0 is out of range"),
        ('title="Tiny"', "title=7", "title is 7: it must be a string"),
        ('telling=("threads",)', 'telling="threads"', "telling is 'threads': it must be a tuple of strings"),
        ('title="Tiny"', 'title="Tiny", memory_budget=5', "memory_budget is 5: it must be of type Callable["),
        ('title="Tiny"', 'title="Tiny", documents=({},)', "documents[0] is {}: it must be of type Documents"),
        ('title="Tiny"', 'title="Tiny", documents=(Documents("c", 1, {"at": {1}}),)', "it must hold plain values"),
        ('"fixed": LEAKS_NOTHING', '"fixed": "clean"', "expected['fixed'] is 'clean': it must be of type Expected"),
        ("steps=3", 'steps="3"', "line 8: ValueError: setting steps: '3' is not a whole number"),
        ("steps=3),", "steps=3), learners={'size': 3},", "learners has no setting 'size'"),
        ("steps=3),", "steps=3), learners={'steps': 0},", "learners, steps: 0 is out of range"),
        ("steps=3),", "), second_steps=lambda settings: 9,", "second_steps is given, but the settings have no steps"),
        ('title="Tiny"', 'title="Tiny", requires="aiohttp"', "requires is 'aiohttp': it must be a tuple of strings"),
        ('title="Tiny"', 'title="Tiny", requires=("a-b",)', "requires names 'a-b': write the name that is imported"),
        ('title="Tiny"', 'title="Tiny", documents=(Documents("c", -1, {}),)', "documents[0].count: -1 is out of range"),
        ('title="Tiny"', 'title="Tiny", documents=(Documents("c", "1", {}),)', "documents[0].count is '1': it must be"),
        (
            'title="Tiny"',
            'title="Tiny", documents=(Documents("c", 1, {}, capped=-1),)',
            "documents[0].capped: -1B is out of range",
        ),
        (
            'title="Tiny"',
            'title="Tiny", documents=(Documents("c", 1, {}, capped="1MiB"),)',
            "documents[0].capped is '1MiB': it must be a whole number",
        ),
    ],
)
def test_what_a_scenario_may_not_declare_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in SCENARIO
    assert words in why_broken(make(tmp_path, "inconsistent", SCENARIO.replace(old, new)))


@pytest.mark.parametrize(
    ("function", "text", "words"),
    [
        ("workload", "lambda lab: 1 / 0", ": workload fails: ZeroDivisionError: division by zero"),
        ("workload", "lambda lab: exit(3)", "workload fails: SystemExit: 3"),
        ("workload", "lambda lab: [1]", "workload(…) is [1]: it must be of type Mapping[str, object]"),
        ("workload", "lambda lab: {'jobs': {1, 2}}", "workload(…) is {'jobs': {1, 2}}: it must hold plain values"),
        ("workload", "lambda lab: {'jobs': Steps(2), 'more': Steps(2)}", "at most one Steps(…)"),
        ("check_answer", "lambda lab, answer: answer['no']", "check_answer fails: TypeError: "),
        ("check_answer", "lambda lab, answer: False", "check_answer(…) is False: it must be a string or None"),
        ("requests", "lambda settings: {'read': '5'}", "requests(…)['read'] is '5': it must be a whole number"),
        ("memory_budget", "lambda settings: None", "memory_budget(…) is None: it must be a whole number"),
        ("check_error", "lambda settings, words: words", "check_error(…) is 'ValueError': it must be True or False"),
        ("concurrency", "lambda settings: 0", "concurrency(…): 0 is out of range: write a whole number, 1 to"),
        ("second_steps", "lambda settings: -5", "second_steps(…): -5 is out of range"),
        ("time_limit", "lambda settings: 0", "time_limit(…): 0s is out of range: write a duration, 1ms to 168h"),
    ],
)
def test_a_function_of_a_scenario_that_fails_or_returns_what_it_may_not_is_named(
    tmp_path: Path, function: str, text: str, words: str
) -> None:
    text = f"{SCENARIO}\nfrom dataclasses import replace\nSCENARIO = replace(SCENARIO, {function}={text})\n"
    scenario = make(tmp_path, "careless", text).scenario
    given = Lab(scenario.settings) if function in ("workload", "check_answer") else scenario.settings
    answers: dict[str, list[object]] = {"check_answer": [5], "check_error": ["ValueError"]}
    with pytest.raises(ScenarioError) as caught:
        getattr(scenario, function)(given, *answers.get(function, []))
    assert words in str(caught.value)


def test_documents_may_follow_the_settings_and_their_number_is_checked(tmp_path: Path) -> None:
    counted = 'title="Tiny", documents=(Documents("c", lambda settings: settings.steps - 4, {"_id": None}),)'
    scenario = make(tmp_path, "counted", SCENARIO.replace('title="Tiny"', counted)).scenario
    assert len(service_needs(scenario, scenario.settings.with_steps(14)).documents["c"]) == 10
    with pytest.raises(ScenarioError, match=r"documents\[0\]\.count\(…\): -1 is out of range"):
        service_needs(scenario, scenario.settings)


def test_documents_may_be_those_of_a_capped_collection(tmp_path: Path) -> None:
    both = 'title="Tiny", documents=(Documents("log", 2, {"_id": None}, capped=4096), Documents("c", 2, {"_id": None}))'
    scenario = make(tmp_path, "capped", SCENARIO.replace('title="Tiny"', both)).scenario
    needs = service_needs(scenario, scenario.settings)
    assert (needs.capped, [*needs.documents]) == ({"log": 4096}, ["log", "c"])


@pytest.mark.parametrize("file", ["lesson.md", "leaky.py"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, file: str) -> None:
    entry = make(tmp_path, "binary")
    (entry.folder / file).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match=rf"scenario binary is broken: .*{file}: it is not UTF-8"):
        entry.text(file)


def test_the_folder_of_ones_own_adds_to_the_built_in_ones_and_a_broken_one_keeps_none_from_being_found(
    tmp_path: Path,
) -> None:
    make(tmp_path, "broken", "raise ValueError('no')")
    make(tmp_path, "whole")
    found = Catalog(tmp_path)
    assert found.get("whole").scenario.title == "Tiny"
    assert [entry.id for entry in found.select([])] == [*BUILT_IN, "whole", "broken"]
