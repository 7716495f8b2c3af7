"""Wrong or impossible requests are refused: a line or two that says what was wrong, the exit code, nothing left."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.integration.conftest import COULD_NOT_MEASURE, NOT_AS_EXPECTED, WRONG_USAGE, Command, Run, complaint

SCENARIO = """
from leaklab.scenario import LEAKS_NOTHING, Scenario, Settings, Steps

SCENARIO = Scenario(
    title="Tiny", leaks="nothing", summary="it works", settings=Settings(steps=3),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING}, telling=("threads",),
)
"""
BUILT_IN = ["unclosed-body", "close-in-loop", "open-cursor", "unbounded-wait", "huge-array"]
BUILT_IN += ["tailable-cursor", "decode-error", "abandoned-worker", "redirect-failure"]
"""In the order of the course."""

HALF = "def run(jobs):\n    return [*jobs]\n"


def make(parent: Path, name: str, scenario: str = SCENARIO) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    for file, text in {"scenario.py": scenario, "leaky.py": HALF, "fixed.py": HALF, "lesson.md": "# Tiny\n"}.items():
        (folder / file).write_text(text)
    return folder


@pytest.fixture
def half_broken(tmp_path: Path) -> Path:
    """A folder of scenarios of which one is broken."""
    folder = tmp_path / "half_broken"
    make(folder, "works")
    make(folder, "broken", "import no_such_thing\n")
    return folder


@pytest.mark.parametrize("command", ["run", "show", "compare"])
def test_an_unknown_scenario_is_refused_and_the_nearest_name_suggested(main: Run, command: str) -> None:
    assert "did you mean unclosed-body?" in complaint(main(command, "unclosed-bdy"), WRONG_USAGE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("unclosed-body", "--steps", "0"), ("--steps 0", "1 to 10,000,000")),
        (("unclosed-body", "--repeat", "0"), ("--repeat 0", "1 to 10,000")),
        (("unclosed-body", "--set", "size=1MiB"), ("unclosed-body has no setting 'size': it has steps",)),
        (("huge-array", "--set", "size=900TiB"), ("size=900TiB", "more than this machine can spare")),
        (("huge-array", "--set", "size=16MiB"), ("size=16MiB", "too small to judge")),
        (("huge-array", "--limit", "memory=256MiB"), ("reaches --limit memory=256MiB",)),
        (("unbounded-wait", "--set", "deadline=1us"), ("--set deadline=1us", "1ms to 168h")),
        (("unbounded-wait", "--set", "hang=600ms"), ("hangs for 600 ms, less than 2 × the deadline of 500 ms",)),
        (("unbounded-wait", "--set", "hang=5s", "--limit", "time=4s"), ("hang=5s", "--limit time=10s")),
        (("unbounded-wait", "--steps", "3"), ("unbounded-wait has no setting 'steps'", "hang", "deadline", "dead")),
        (("unclosed-body", "--bogus"), ("No such option: --bogus",)),
        (("unclosed-body", "--time-limit", "6s"), ("--time-limit is now written --limit time=…",)),
        (("huge-array", "--size", "1MiB"), ("--size is now written --set size=…",)),
        (("--size", "1MiB"), ("--size is now written --set size=…",)),
        (("unclosed-body", "--markdown"), ("--markdown is now written --format markdown",)),
        (("unclosed-body", "--format", "pdf"), ("--format pdf", "Choose table or json or markdown or html or svg")),
        (("unclosed-body", "--until-failure", "--format", "markdown"), ("--until-failure", "Choose table or json")),
        (("unclosed-body", "--predict", "--format", "html"), ("--predict", "Choose table or json.")),
        (("unclosed-body", "--predict", "--until-failure"), ("--predict", "--until-failure")),
        (("unclosed-body", "--output", "/no/such/folder/x"), ("--output /no/such/folder/x", "there is no folder")),
        (("unclosed-body", "-o", os.devnull), ("--output /dev/null", "not a regular file")),
        (("unclosed-body", "close-in-loop"), ("close-in-loop",)),
        ((), ("argument",)),
        (("unclosed-body", "--mongo", "mongodb://127.0.0.1:1"), ("unclosed-body uses no MongoDB", "--mongo")),
        (("open-cursor", "--mongo", "http://127.0.0.1:1"), ("--mongo http://127.0.0.1:1", "mongodb://HOST:PORT")),
        (("unclosed-body", "--scenarios", "/no/such/folder"), ("/no/such/folder: there is no such folder",)),
    ],
    ids=" ".join,
)
def test_what_run_cannot_mean_is_wrong_usage_and_the_message_names_it(
    main: Run, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = complaint(main("run", *arguments), WRONG_USAGE)
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    "arguments", [("nope",), ("--nope",), ("list", "--nope"), ("list", "unclosed-body"), ("list", "--format", "json")]
)
def test_an_unknown_command_option_or_format_is_wrong_usage(main: Run, arguments: tuple[str, ...]) -> None:
    assert arguments[-1] in complaint(main(*arguments), WRONG_USAGE)


def test_compare_refuses_a_setting_that_none_of_the_named_scenarios_has(main: Run) -> None:
    said = complaint(main("compare", "unclosed-body", "close-in-loop", "--set", "size=1MiB"), WRONG_USAGE)
    assert "none of unclosed-body, close-in-loop has a setting 'size'" in said
    complaint(main("compare", "unclosed-body", "huge-array", "--set", "size=900TiB"), WRONG_USAGE)


def test_a_mongo_server_that_is_not_there_is_named_and_so_is_what_listens_but_is_none(leaklab: Command) -> None:
    with socket.socket() as unused, socket.create_server(("127.0.0.1", 0)) as mute:
        unused.bind(("127.0.0.1", 0))
        addresses = [f"mongodb://127.0.0.1:{its.getsockname()[1]}" for its in (unused, mute)]
        started = [leaklab.start("run", "open-cursor", "--mongo", address) for address in addresses]
        absent, silent = (complaint(run.finish(), COULD_NOT_MEASURE) for run in started)
    assert f"--mongo {addresses[0]}: no MongoDB server answered within 3 s" in absent
    assert "leave --mongo out" in absent
    assert f"--mongo {addresses[1]}: " in silent


@pytest.mark.parametrize(
    ("server", "shown"),
    [("mongodb://", "mongodb://"), ("mongodb://me:secret@127.0.0.1:99999", "me:***@127.0.0.1:99999")],
)
def test_an_address_that_is_none_is_refused_and_a_password_is_never_repeated(
    leaklab: Command, server: str, shown: str
) -> None:
    said = complaint(leaklab("run", "open-cursor", "--mongo", server), WRONG_USAGE)
    assert shown in said
    assert "secret" not in said


# ---- broken scenarios


def test_a_broken_scenario_is_named_with_its_file_its_line_and_the_reason(main: Run, half_broken: Path) -> None:
    said = complaint(main("run", "broken", "--scenarios", str(half_broken)), WRONG_USAGE)
    assert f"{half_broken / 'broken' / 'scenario.py'}, line 1: ModuleNotFoundError" in said


def test_the_others_still_work_beside_a_broken_scenario(leaklab: Command, half_broken: Path) -> None:
    finished = leaklab("run", "works", "--scenarios", str(half_broken), "--json")
    assert (finished.code, finished.stderr, finished.document["scenario"]) == (0, "", "works")


def test_a_scenario_that_lacks_a_package_is_named_and_one_document_has_all_others(
    leaklab: Command, tmp_path: Path
) -> None:
    make(tmp_path / "mine", "lacking", SCENARIO.replace("leaks=", "requires=('no_such_thing',), leaks="))
    mine = ("--scenarios", str(tmp_path / "mine"))
    for command in ("run", "compare"):
        complaint(leaklab(command, "lacking", *mine), COULD_NOT_MEASURE)
    small = ("--steps", "7", "--set", "size=64MiB", "--set", "hang=1s", "--set", "deadline=400ms")
    among_all = leaklab("compare", *mine, *small, "--json")
    assert among_all.code == NOT_AS_EXPECTED
    assert "scenario lacking needs no_such_thing" in among_all.stderr
    document = among_all.document
    assert list(document) == ["schema", "results"]
    assert document["schema"] == 2
    assert [result["scenario"] for result in document["results"]] == BUILT_IN
    for result in document["results"]:
        verdicts = {name: half["verdict"] for name, half in result["halves"].items()}
        if result["scenario"] != "unbounded-wait":  # whose fixed half may be late on a busy machine
            assert verdicts == {"leaky": "leaks", "fixed": "clean"}
            assert result["as_expected"] is True
        assert verdicts["leaky"] == "leaks"


def test_list_names_the_broken_scenario_beside_the_others(main: Run, half_broken: Path) -> None:
    finished = main("list", "--scenarios", str(half_broken))
    assert finished.code == NOT_AS_EXPECTED
    assert "Traceback" not in finished.stdout + finished.stderr
    listed = {line.split()[0] for line in finished.stdout.splitlines() if line[:1].isalpha()}
    assert listed >= {"unclosed-body", "works", "broken"}
    assert "ModuleNotFoundError" in finished.stdout


def test_a_scenario_named_like_a_built_in_one_is_refused_and_both_folders_are_named(main: Run, tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", "unclosed_body")
    assert str(folder) in complaint(main("list", "--scenarios", str(tmp_path / "mine")), WRONG_USAGE)


def test_a_folder_that_may_not_be_read_is_refused(main: Run, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    try:
        if os.access(folder, os.R_OK):
            pytest.skip("this user may read everything")
        complaint(main("list", "--scenarios", str(folder)), WRONG_USAGE)
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("hook", ["check_answer=lambda lab, answer: 1 / 0,", "requests=lambda settings: 1 / 0,"])
def test_a_check_of_a_scenario_that_raises_is_the_scenarios_defect_and_not_the_labs(
    leaklab: Command, tmp_path: Path, hook: str
) -> None:
    make(tmp_path / "mine", "checkless", SCENARIO.replace("telling=", f"{hook} telling="))
    finished = leaklab("run", "checkless", "--scenarios", str(tmp_path / "mine"))
    assert "Traceback" not in finished.stderr
    assert "defect of leaklab" not in finished.stderr
    assert "checkless" in finished.stdout + finished.stderr
    assert "division by zero" in finished.stdout + finished.stderr
    assert finished.code != 0
