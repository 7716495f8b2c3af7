"""What cannot be meant or done is refused: a line or two that says what was wrong, the exit code, nothing left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from leaklab import cli
from tests.integration.conftest import Command, Finished, complaint

WRONG_USAGE, COULD_NOT_MEASURE = 2, 3

SCENARIO = """
from leaklab.content.declaration import LEAKS_NOTHING, Scenario, Steps
from leaklab.content.settings import Settings

SCENARIO = Scenario(
    title="Tiny", leaks="nothing", summary="it works", settings=Settings(steps=3),
    workload=lambda lab: {"jobs": Steps(lab.steps)},
    expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING}, telling=("threads",),
)
"""
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


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """`main(ARGUMENT, …)` runs the command line in this process, where no other may be started."""

    def run(*arguments: str) -> Finished:
        monkeypatch.setattr(sys, "argv", ["leaklab", *arguments])
        monkeypatch.setattr(subprocess, "Popen", None)
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            with pytest.raises(SystemExit) as left:
                cli.main()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        assert isinstance(left.value.code, int)
        return Finished(left.value.code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("command", ["run", "show", "compare"])
def test_an_unknown_scenario_is_refused_and_the_nearest_name_suggested(leaklab: Command, command: str) -> None:
    said = complaint(leaklab(command, "unclosed-bdy"), WRONG_USAGE)
    assert "no scenario is called 'unclosed-bdy': did you mean unclosed-body?" in said


def test_a_name_like_no_other_gets_all_scenarios_listed(leaklab: Command) -> None:
    said = complaint(leaklab("run", "xyz"), WRONG_USAGE)
    for name in ("unclosed-body", "close-in-loop", "open-cursor", "unbounded-wait", "huge-array"):
        assert name in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("unclosed-body", "--steps", "0"), ("--steps", "0 is too few")),
        (("unclosed-body", "--steps", "-1"), ("--steps", "-1 is too few")),
        (("unclosed-body", "--steps", "abc"), ("--steps", "'abc' is not a whole number")),
        (("unclosed-body", "--steps", "1.5"), ("--steps", "'1.5' is not a whole number")),
        (("unclosed-body", "--steps", ""), ("--steps", "'' is not a whole number")),
        (("unclosed-body", "--steps", "99999999999999999999"), ("--steps", "is too many")),
        (("unclosed-body", "--repeat", "0"), ("--repeat", "0 is too few")),
        (("unclosed-body", "--time-limit", "0s"), ("--time-limit", "'0s' is no time at all")),
        (("unclosed-body", "--time-limit", "-1s"), ("--time-limit", "'-1s' is not a duration")),
        (("huge-array", "--size", "900TiB"), ("--size", "more than this machine can spare", "smaller --size")),
        (("huge-array", "--size", "16MiB"), ("--size 16.0 MiB is too small to judge", "a larger --size")),
        (("huge-array", "--size", "lots"), ("--size", "'lots' is not a size", "256MiB")),
        (("huge-array", "--size", "-1MiB"), ("--size", "'-1MiB' is not a size")),
        (("huge-array", "--size", "0"), ("--size", "'0' is less than one byte")),
        (("unbounded-wait", "--hang", "soon"), ("--hang", "'soon' is not a duration", "3s")),
        (("unbounded-wait", "--deadline", "0"), ("--deadline", "'0' is no time at all")),
        (("unbounded-wait", "--dead", "loud"), ("--dead", "'loud'", "silent, drip, drip-head")),
        (("unbounded-wait", "--hang", "600ms"), ("--hang 600 ms is less than 2 × --deadline 500 ms",)),
        (("unbounded-wait", "--hang", "5s", "--time-limit", "4s"), ("--hang 5.00 s reaches the time limit",)),
        (("unclosed-body", "--size", "1MiB"), ("unclosed-body has no --size: it takes --steps",)),
        (("huge-array", "--hang", "3s"), ("huge-array has no --hang: it takes --steps, --size",)),
        (("unbounded-wait", "--steps", "3"), ("unbounded-wait has no --steps: it takes --hang, --deadline, --dead",)),
        (("unclosed-body", "--bogus"), ("No such option: --bogus",)),
        (("unclosed-body", "--step", "7"), ("--step",)),
        (("unclosed-body", "--samples"), ("--samples", "add --json")),
        (("unclosed-body", "close-in-loop"), ("close-in-loop",)),
        ((), ("argument",)),
        (("unclosed-body", "--mongo", "mongodb://127.0.0.1:1"), ("unclosed-body uses no MongoDB", "--mongo")),
        (("open-cursor", "--mongo", "http://127.0.0.1:1"), ("--mongo http://127.0.0.1:1", "mongodb://HOST:PORT")),
        (("unclosed-body", "--scenarios", "/no/such/folder"), ("/no/such/folder: there is no such folder",)),
    ],
    ids=" ".join,
)
def test_what_run_cannot_mean_is_wrong_usage_and_the_message_names_it(
    main: Callable[..., Finished], arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    said = complaint(main("run", *arguments), WRONG_USAGE)
    for word in words:
        assert word in said


@pytest.mark.parametrize("arguments", [("nope",), ("--nope",), ("list", "--nope"), ("list", "unclosed-body")])
def test_an_unknown_command_or_option_is_wrong_usage(leaklab: Command, arguments: tuple[str, ...]) -> None:
    assert arguments[-1] in complaint(leaklab(*arguments), WRONG_USAGE)


@pytest.mark.parametrize("option", [("--size", "1MiB"), ("--hang", "3s")])
def test_compare_refuses_an_option_that_none_of_the_named_scenarios_has(
    leaklab: Command, option: tuple[str, str]
) -> None:
    said = complaint(leaklab("compare", "unclosed-body", "close-in-loop", *option), WRONG_USAGE)
    assert f"none of unclosed-body, close-in-loop has a {option[0]}" in said


def test_a_size_larger_than_the_free_memory_is_refused_and_both_are_told(leaklab: Command) -> None:
    total = psutil.virtual_memory().total
    said = complaint(leaklab("run", "huge-array", "--size", f"{total}"), WRONG_USAGE)
    assert "are free" in said


def test_a_size_that_only_one_of_the_compared_has_is_still_refused_before_anything_runs(leaklab: Command) -> None:
    complaint(leaklab("compare", "unclosed-body", "huge-array", "--size", "900TiB"), WRONG_USAGE)


def test_a_mongo_server_that_is_not_there_is_named_and_so_is_what_listens_but_is_none(leaklab: Command) -> None:
    with socket.socket() as unused, socket.create_server(("127.0.0.1", 0)) as mute:
        unused.bind(("127.0.0.1", 0))
        addresses = [f"mongodb://127.0.0.1:{its.getsockname()[1]}" for its in (unused, mute)]
        started = [leaklab.start("run", "open-cursor", "--mongo", address) for address in addresses]
        absent, silent = (complaint(run.finish(), COULD_NOT_MEASURE) for run in started)
    assert f"--mongo {addresses[0]}: no MongoDB server answered within 3 s" in absent
    assert "leave --mongo out" in absent
    assert f"--mongo {addresses[1]}: " in silent


def test_an_address_without_a_host_is_refused(leaklab: Command) -> None:
    said = complaint(leaklab("run", "open-cursor", "--mongo", "mongodb://"), WRONG_USAGE)
    assert "--mongo mongodb://" in said
    assert "mongodb://HOST:PORT" in said


def test_a_password_is_never_repeated(leaklab: Command) -> None:
    said = complaint(leaklab("run", "open-cursor", "--mongo", "mongodb://me:secret@127.0.0.1:99999"), WRONG_USAGE)
    assert "secret" not in said
    assert "me:***@127.0.0.1:99999" in said


# ---- broken scenarios


def test_a_broken_scenario_is_named_with_its_file_its_line_and_the_reason(leaklab: Command, half_broken: Path) -> None:
    said = complaint(leaklab("run", "broken", "--scenarios", str(half_broken)), WRONG_USAGE)
    assert "scenario broken is broken: " in said
    assert f"{half_broken / 'broken' / 'scenario.py'}, line 1: ModuleNotFoundError" in said


def test_the_others_still_work_beside_a_broken_scenario(leaklab: Command, half_broken: Path) -> None:
    finished = leaklab("run", "works", "--scenarios", str(half_broken), "--json")
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.document["scenario"] == "works"
    assert leaklab("show", "works", "--scenarios", str(half_broken)).code == 0


def test_list_names_the_broken_scenario_beside_the_others(leaklab: Command, half_broken: Path) -> None:
    finished = leaklab("list", "--scenarios", str(half_broken))
    assert finished.code == 1
    assert "Traceback" not in finished.stdout + finished.stderr
    lines = finished.stdout.splitlines()
    assert [line for line in lines if line.startswith("unclosed-body ")]
    assert [line for line in lines if line.startswith("works ")]
    assert [line for line in lines if line.startswith("broken ")]
    assert "ModuleNotFoundError" in finished.stdout


@pytest.mark.parametrize(
    "text",
    ["import sys\nsys.exit(0)\n", "raise SystemExit('done')\n"],
)
def test_a_scenario_that_exits_when_it_is_loaded_is_broken_like_any_other(
    leaklab: Command, tmp_path: Path, text: str
) -> None:
    make(tmp_path / "mine", "leaving", text)
    said = complaint(leaklab("run", "leaving", "--scenarios", str(tmp_path / "mine")), WRONG_USAGE)
    assert "scenario leaving is broken" in said


def test_a_scenario_named_like_a_built_in_one_is_refused_and_both_folders_are_named(
    leaklab: Command, tmp_path: Path
) -> None:
    folder = make(tmp_path / "mine", "unclosed_body")
    said = complaint(leaklab("list", "--scenarios", str(tmp_path / "mine")), WRONG_USAGE)
    assert "two scenarios are called unclosed-body" in said
    assert str(folder) in said


def test_a_folder_that_may_not_be_read_is_refused(leaklab: Command, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    try:
        if os.access(folder, os.R_OK):
            pytest.skip("this user may read everything")
        complaint(leaklab("list", "--scenarios", str(folder)), WRONG_USAGE)
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Steps(lab.steps)", "1 / 0", "workload fails: ZeroDivisionError: division by zero"),
        ("Steps(lab.steps)", "lab.http", "workload fails: LookupError: the scenario uses lab.http"),
        ("Steps(lab.steps)", "object()", "workload returned {"),
    ],
)
def test_a_workload_that_cannot_be_made_is_named(
    leaklab: Command, tmp_path: Path, old: str, new: str, words: str
) -> None:
    make(tmp_path / "mine", "workless", SCENARIO.replace(old, new))
    finished = leaklab("run", "workless", "--scenarios", str(tmp_path / "mine"))
    said = complaint(finished, finished.code)
    assert finished.code in (WRONG_USAGE, COULD_NOT_MEASURE)
    assert words in said
    assert "workless" in said
    assert "this is a defect of leaklab" not in said


@pytest.mark.parametrize("hook", ["check_answer=lambda lab, answer: 1 / 0,", "requests=lambda settings: 1 / 0,"])
def test_a_check_of_a_scenario_that_raises_is_the_scenarios_defect_and_not_the_labs(
    leaklab: Command, tmp_path: Path, hook: str
) -> None:
    make(tmp_path / "mine", "checkless", SCENARIO.replace("telling=", f"{hook} telling="))
    finished = leaklab("run", "checkless", "--scenarios", str(tmp_path / "mine"))
    assert "Traceback" not in finished.stderr
    assert "this is a defect of leaklab" not in finished.stderr
    assert "checkless" in finished.stdout + finished.stderr
    assert "division by zero" in finished.stdout + finished.stderr
    assert finished.code != 0
