"""What a person reads: whole at 80 columns, plain where it is not a terminal, and quiet when the reader has gone."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import leaklab as package
from leaklab.cli import COMMANDS, command_line
from leaklab.content.catalog import Catalog
from leaklab.reports.series import SPARKS
from tests.integration.conftest import CONTENT, NOT_AS_EXPECTED, Command, Finished, Terminal, wait_until

SCENARIOS = ["unclosed-body", "close-in-loop", "open-cursor", "unbounded-wait", "huge-array"]
SCENARIOS += ["tailable-cursor", "decode-error", "abandoned-worker", "redirect-failure"]
"""In the order of the course."""

SCRIPT = (str(Path(sys.executable).with_name("leaklab")),)
QUICK = ("leaks-files", "--scenarios", str(CONTENT))
"""A scenario whose halves talk to no service: it is run in a third of the time."""


def assert_plain(finished: Finished, *, width: int = 80) -> list[str]:
    """The lines of what was printed: none wider than asked for, nothing cut off, no control codes."""
    assert finished.stderr == ""
    assert "\x1b" not in finished.stdout
    assert "…" not in finished.stdout.replace("[…]", "")
    lines = finished.stdout.splitlines()
    assert max(len(line) for line in lines) <= width
    return [line.rstrip() for line in lines]


def figures(lines: list[str], start: str) -> list[str]:
    """The figures of the one line that starts so, without their pictures."""
    (found,) = [line for line in lines if line.startswith(start)]
    return re.sub(f"[{SPARKS}]", "", found.removeprefix(start)).split()


def test_the_version_is_the_packages_own_and_the_installed_script_is_the_module(leaklab: Command) -> None:
    for start_with in (leaklab.start_with, SCRIPT):
        leaklab.start_with = start_with
        finished = leaklab("--version")
        assert (finished.code, finished.stdout, finished.stderr) == (0, f"leaklab {package.__version__}\n", "")


def test_without_a_command_it_says_where_to_begin() -> None:
    finished = CliRunner().invoke(command_line(), [], terminal_width=80)
    assert finished.exit_code == 0
    begins = re.findall(r"(?m)^  leaklab (\S+)", finished.output)
    assert begins[-1] == "--help"
    assert set(begins[:-1]) <= set(itertools.chain(*COMMANDS.values()))


def test_the_help_lists_every_command_by_group() -> None:
    finished = CliRunner().invoke(command_line(), ["--help"], terminal_width=80)
    assert finished.exit_code == 0
    assert re.findall(r"(?m)^(\w[\w ]*):$", finished.output) == [*COMMANDS, "Options"]
    for command in itertools.chain(*COMMANDS.values()):
        assert re.search(rf"(?m)^  {command} +\w", finished.output)


@pytest.mark.parametrize("command", [*itertools.chain(*COMMANDS.values())])
def test_the_help_of_a_command_fits_one_screen_and_names_no_types(command: str) -> None:
    finished = CliRunner().invoke(command_line(), [command, "--help"], terminal_width=80)
    lines = finished.output.splitlines()
    assert finished.exit_code == 0
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    for noise in ("<", ">", "{", "[[", "None", "..."):
        assert noise not in re.sub(r"\[(NAME|DIR|ARGS)\]\.\.\.", "", finished.output)


@pytest.mark.parametrize(
    ("form", "begins"), [("markdown", "| scenario | leaky | fixed |"), ("html", "<!doctype html>"), ("svg", "<svg ")]
)
def test_a_report_is_written_to_a_file_whole_and_nothing_is_printed(
    form: str, begins: str, leaklab: Command, tmp_path: Path
) -> None:
    file = tmp_path / "report"
    finished = leaklab("compare", *QUICK, "--steps", "3", "--format", form, "-o", str(file))
    assert (finished.code, finished.stdout, finished.stderr) == (0, "", f"leaklab: wrote {file}\n")
    assert file.read_text().startswith(begins)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report"]


def test_run_and_check_make_pages_with_the_code_that_was_run(leaklab: Command, tmp_path: Path) -> None:
    shown = leaklab("run", *QUICK, "--steps", "3", "--format", "html")
    assert (shown.code, shown.stderr) == (0, "")
    assert re.search(r"<del>.*files.append", shown.stdout)
    mine = tmp_path / "mine.py"
    shutil.copy(CONTENT / "leaks_files" / "leaky.py", mine)
    name, *where = QUICK
    checked = leaklab("check", str(mine), "--scenario", name, *where, "--steps", "3", "--format", "html")
    assert checked.code == NOT_AS_EXPECTED
    assert re.search(r"(?s)mine\.py, line \d+.*&#9656;.*files.append", checked.stdout)
    assert "Our solution" not in checked.stdout


def test_list_shows_every_scenario_in_the_order_of_the_course_and_no_colours_unless_they_are_seen(
    leaklab: Command,
) -> None:
    finished = leaklab("list", env={"TERM": "xterm-256color", "COLUMNS": None})
    lines = assert_plain(finished)
    assert finished.code == 0
    assert [line.split()[0] for line in lines if line[:1].isalpha()] == ["scenario", *SCENARIOS]


@pytest.mark.parametrize("name", SCENARIOS)
def test_show_has_the_lesson_and_both_halves_with_the_changed_lines_marked(name: str) -> None:
    finished = CliRunner().invoke(command_line(), ["show", name], terminal_width=80)
    assert (finished.exit_code, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert any("leaky.py" in line for line in lines)
    assert any("fixed.py" in line for line in lines)
    assert [line for line in lines if re.match(r"[-+] +(\d+ +)?\S", line)], "a line that only one of them has"
    assert [line for line in lines if re.match(r"  +\d+  def run\(", line)], "a line that both have"
    for setting in Catalog().get(name).scenario.settings.declared:
        assert [line for line in lines if line.startswith(f"{setting.name} ") and setting.default is not None]


def test_run_shows_the_counts_the_findings_and_why_at_80_columns(leaklab: Command) -> None:
    finished = leaklab("run", "unclosed-body", "--steps", "7")
    lines = assert_plain(finished)
    assert finished.code == 0
    assert "unclosed-body  7 steps" in lines[0]
    assert figures(lines, "open sockets, after run()") == ["7", "1"]
    assert figures(lines, "connections opened") == ["7", "1"]
    assert figures(lines, "verdict") == ["leaked,", "wasted", "clean"]
    assert not [line for line in lines if line.startswith("requests served")], "rows that tell nothing are left out"
    assert "Why: " in finished.stdout
    assert len(lines) <= 23, "a screen of 24 lines shows all of it, with the prompt"


def test_run_shows_every_row_if_that_is_asked_for(leaklab: Command) -> None:
    lines = assert_plain(leaklab("run", *QUICK, "--all"))
    assert figures(lines, "threads, peak") == ["1", "1"]


@pytest.mark.parametrize("arguments", [("show", "unclosed-body"), ("run", *QUICK)])
def test_a_stream_that_takes_ascii_only_gets_the_nearest_plain_characters(
    leaklab: Command, arguments: tuple[str, ...]
) -> None:
    finished = leaklab(*arguments, env={"PYTHONIOENCODING": "ascii"})
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.stdout.isascii()
    assert "?" * 5 not in finished.stdout, "a rule or a box is drawn in ASCII"


@pytest.mark.parametrize("closed", ["<&-", ">&- 2>&- <&-"])
def test_a_run_with_a_closed_stream_is_measured_and_ends_without_a_traceback(leaklab: Command, closed: str) -> None:
    leaklab.start_with = ("sh", "-c", f'exec "{sys.executable}" -m leaklab "$@" {closed}', "leaklab")
    finished = leaklab("run", *QUICK, "--json")
    if closed == "<&-":
        assert finished.document["halves"]["leaky"]["findings"][0]["value"] == 20
    assert "Traceback" not in finished.stderr
    assert "defect" not in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "unbounded-wait"), 0),
        (("run", *QUICK, "--json", "--samples"), 0),
        (("run", "raises", "--scenarios", str(CONTENT)), 1),
        (("run", "raises", "--scenarios", str(CONTENT), "--json"), 1),
    ],
)
def test_a_reader_that_went_away_is_no_error_and_a_verdict_still_has_its_exit_code(
    leaklab: Command, arguments: tuple[str, ...], code: int
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    started = leaklab.start(*arguments, stdout=writer)
    os.close(writer)
    finished = started.finish()
    assert (finished.code, finished.stderr) == (code, "")


def test_a_reader_that_takes_one_line_gets_it(leaklab: Command) -> None:
    leaklab.start_with = ("sh", "-c", f'"{sys.executable}" -m leaklab "$@" | head -1', "leaklab")
    finished = leaklab("show", "unbounded-wait")
    assert len(finished.stdout.splitlines()) == 1
    assert finished.stderr == ""


@pytest.mark.parametrize(
    ("pager", "first"),
    [
        ("sed s/^/paged:/", "paged:"),
        ("cat", "what the fix changes"),
        ("", "what the fix changes"),
        ("  ", "what the fix changes"),
        ("no-pager", "what"),
        ("/", "what"),
    ],
)
def test_show_pages_on_a_terminal_as_git_does(terminal: Callable[..., Terminal], pager: str, first: str) -> None:
    reader = terminal("show", "huge-array", "--code", PAGER=pager, NO_COLOR="1")
    assert reader.end() == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", reader.seen).splitlines()
    assert [line for line in lines if line.startswith(first)]
    assert "return labels" in lines[-1]


def test_less_is_left_at_once_if_all_of_it_fits(terminal: Callable[..., Terminal]) -> None:
    """It is git's way, and the way of less where nothing else is said: no key has to be pressed."""
    if shutil.which("less") is None:
        pytest.skip("less is not installed: there is no pager to look at")
    assert terminal("show", "huge-array", "--code").end() == 0


def test_the_telling_counts_are_seen_while_it_runs_and_are_gone_afterwards(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    table = tmp_path / "table"
    viewer = terminal("run", "unclosed-body", "--steps", "400", "--no-explain", printed=table)
    viewer.expect("running leaky")
    viewer.expect("running fixed")
    assert viewer.end() == 0
    assert re.search(f"leaky .*sockets [0-9]+ [{SPARKS}]+ .*connections [0-9]+ [{SPARKS}]+", viewer.seen)
    assert not re.search("running|\x1b", table.read_text())


def test_the_name_of_a_scenario_is_completed(leaklab: Command) -> None:
    leaklab.start_with = SCRIPT
    finished = leaklab(
        env={"_LEAKLAB_COMPLETE": "complete_bash", "COMP_WORDS": "leaklab run un", "COMP_CWORD": "2"},
    )
    assert sorted(finished.stdout.split()) == ["unbounded-wait", "unclosed-body"]


def test_the_measured_process_holds_nothing_of_the_lab(leaklab: Command) -> None:
    """Beside the half, only the worker's own file of leaklab is in it: no server, no Typer, no Rich."""
    started = leaklab.start("run", "unbounded-wait", "--set", "hang=20s")
    wait_until(lambda: len(started.called("worker.py")) == 2, "both workers")
    for worker in started.called("worker.py"):
        assert [part for part in worker.cmdline() if "site-packages" in part] == []
        assert worker.environ().get("PYTHONPATH") is None or worker.environ()["PYTHONPATH"] == os.environ["PYTHONPATH"]
    started.interrupt(signal.SIGTERM)


@pytest.mark.parametrize(
    "env",
    [dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"), {"PYTHONWARNINGS": "error"}],
    ids=["proxies", "warnings"],
)
def test_a_half_sees_no_more_of_its_surroundings_than_a_script_would(leaklab: Command, env: dict[str, str]) -> None:
    finished = leaklab("run", "unclosed-body", "--steps", "7", "--no-explain", "--json", env=env)
    assert (finished.code, finished.stderr) == (0, "")
    assert finished.document["halves"]["fixed"]["metrics"]["connections_opened"]["collected"] == 1
