"""The whole flow on the real command line and in a real terminal: from `start` to a green `check`."""

from __future__ import annotations

import json
import os
import re
import signal
import termios
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from leaklab.workshop.progress_file import STATE
from tests.integration.conftest import (
    CONTENT,
    INTERRUPTED,
    NOT_AS_EXPECTED,
    PATIENCE_S,
    SCENARIOS,
    TIME_LIMIT,
    WRONG_USAGE,
    Command,
    Finished,
    Run,
    Terminal,
    complaint,
    wait_until,
)

EXERCISE = "unclosed_body.py"
FIXES = Path(__file__).parents[1] / "fixes"
FIX = (SCENARIOS / "unclosed_body" / "fixed.py").read_bytes()
NEXT_FIX = (SCENARIOS / "close_in_loop" / "fixed.py").read_bytes()

OURS = ("--scenarios", str(CONTENT))
QUICK = ("start", "leaks-files", *OURS)
"""The start of an exercise whose halves talk to no service: it is measured in a third of the time."""

QUICK_EXERCISE = "leaks_files.py"
QUICK_FIX = (CONTENT / "leaks_files" / "fixed.py").read_bytes()
SLEEPS = "import time\ndef run(jobs):\n    open({mark!r}, 'w').close()\n    time.sleep({seconds})\n"
KEYS_LINE = "q quit"


@pytest.fixture
def room(leaklab: Command, tmp_path: Path) -> Command:
    """A learner's folder, in which commands run."""
    folder = tmp_path / "exercises"
    folder.mkdir()
    leaklab.cwd = folder
    return leaklab


def folder_of(room: Command) -> Path:
    assert room.cwd is not None
    return room.cwd


def one_screen(finished: Finished) -> str:
    lines = finished.stdout.splitlines()
    assert len(lines) <= 23
    assert max(len(line) for line in lines) <= 80
    assert "Traceback" not in finished.stdout + finished.stderr
    return finished.stdout


# ---- the flow


def test_from_start_over_hints_to_a_fix_and_back(room: Command) -> None:
    file = folder_of(room) / EXERCISE
    assert room("start", "unclosed-body").code == 0
    leaky = file.read_bytes()

    first = room("check")
    assert first.code == NOT_AS_EXPECTED
    said = one_screen(first)
    for words in ("NOT FIXED", "open sockets", "one per step", "kept by", "leaky", "fixed", "yours", "hint"):
        assert words in said

    first_hint = room("hint").stdout
    assert "Hint 1 of 3" in first_hint
    assert "line 25 opened what is left: response = session.get(url, stream=True)" in first_hint
    second_hint = room("hint", EXERCISE).stdout
    assert "Hint 2 of 3" in second_hint
    assert "Hint 3" not in second_hint

    refused = room("solution")
    assert (refused.code, refused.stdout) == (WRONG_USAGE, "")
    assert "--anyway" in refused.stderr
    assert "response.iter_content" in room("solution", "--anyway").stdout

    file.write_bytes(FIX)
    good = room("check", EXERCISE)
    assert good.code == 0
    assert one_screen(good).startswith("FIXED")
    assert "leaklab next" in good.stdout
    assert "line for line" in room("solution").stdout
    assert "In your file" not in room("hint").stdout

    progress = room("progress").stdout
    assert re.search(rf"{EXERCISE} .* 2 +3 +\d+ +\d{{4}}-\d\d-\d\d \d\d:\d\d", progress)
    assert "1 of 1 solved" in progress

    reset = room("reset", EXERCISE)
    assert reset.code == 0
    assert file.read_bytes() == leaky
    assert "0 of 1 solved" in room("progress").stdout
    assert sorted(path.name for path in folder_of(room).iterdir()) == sorted([STATE, EXERCISE, f"{EXERCISE}.1.bak"])


def test_next_opens_one_exercise_after_the_other_and_names_what_is_not_solved(room: Command) -> None:
    first = room("next")
    assert (first.code, "Created unclosed_body.py" in first.stdout) == (0, True)
    again = room("next").stdout
    assert "unclosed_body.py is started and not solved yet" in again
    assert "leaklab watch unclosed_body.py" in again
    state = folder_of(room) / STATE
    solved = state.read_text().replace('"solved": null', '"solved": "2026-01-02T03:04:05+00:00"')
    state.write_text(solved)
    assert room("next").stdout.startswith("Exercise 2 of 9: close-in-loop\nCreated close_in_loop.py")
    known = json.loads(solved)["exercises"][EXERCISE]
    names = [path.name for path in SCENARIOS.iterdir() if path.is_dir()]
    every = {f"{name}.py": known | {"scenario": name.replace("_", "-")} for name in names}
    state.write_text(json.dumps({"schema": 2, "exercises": every}))
    assert "All exercises of the course are solved" in room("next").stdout


def test_the_document_of_a_check_is_json_and_holds_as_many_steps_as_were_asked_for(room: Command) -> None:
    room(*QUICK)
    finished = room("check", "--json", "--steps", "30", *OURS)
    assert finished.code == NOT_AS_EXPECTED
    document = finished.document
    assert (document["state"], document["fixed"], document["exercise"]["attempts"]) == ("leaks", False, 1)
    assert document["result"]["halves"]["yours"]["findings"][0]["work"][0] == {"steps": 30, "value": 30}


def test_a_file_of_ones_own_is_checked_by_naming_the_scenario_and_no_state_is_written(room: Command) -> None:
    (folder_of(room) / "mine.py").write_bytes(FIX)
    assert "--scenario NAME" in complaint(room("check", "mine.py"), WRONG_USAGE)
    assert room("check", "mine.py", "--scenario", "unclosed-body").code == 0
    assert [path.name for path in folder_of(room).iterdir()] == ["mine.py"]


def test_a_file_is_fixed_only_if_it_is_so_with_every_choice_of_a_setting(room: Command) -> None:
    """One that bounds the body alone, one that bounds each read, and ours; the last two asked with the easiest."""
    room("start", "unbounded-wait")
    file, folder = folder_of(room) / "unbounded_wait.py", SCENARIOS / "unbounded_wait"
    of_the_body = FIXES / "unbounded_wait" / "wrong_clock_in_the_body_only.py"
    sources = {of_the_body: (), folder / "almost2.py": ("dead=silent",), folder / "fixed.py": ("dead=silent",)}
    documents = []
    for source, given in sources.items():
        file.write_bytes(source.read_bytes())
        options = [option for setting in ("hang=2s", *given) for option in ("--set", setting)]
        finished = room("check", file.name, "--json", *options)
        documents.append(json.loads(finished.stdout))
    assert [document["fixed"] for document in documents] == [False, False, True]
    assert [document["result"]["settings"]["dead"] for document in documents] == ["drip-head", "drip", "silent"]
    assert [document["also_with"] for document in documents] == [[], [], ["dead=drip", "dead=drip-head"]]
    # The halves beside it are those with that choice.
    assert all(document["result"]["halves"]["leaky"]["verdict"] == "leaks" for document in documents)


def test_a_broken_progress_file_is_told_and_a_check_goes_on_without_it(room: Command) -> None:
    room(*QUICK)
    state = folder_of(room) / STATE
    state.write_text('{"schema": 1, "exer')
    assert f"{STATE} is broken" in complaint(room("check"), WRONG_USAGE)
    checked = room("check", QUICK_EXERCISE, "--scenario", "leaks-files", *OURS)
    assert checked.code == NOT_AS_EXPECTED
    assert "is broken" in checked.stderr
    assert state.read_text() == '{"schema": 1, "exer'


def test_an_exercise_whose_scenarios_have_moved_goes_on_with_the_folder_that_is_named(room: Command) -> None:
    ours = folder_of(room) / "ours"
    room("new", "slow-close", "ours")
    room("start", "slow-close", "--scenarios", "ours")
    ours.rename(ours.with_name("moved"))
    for command in (("hint", "slow_close.py"), ("solution", "--anyway"), ("reset", "slow_close.py")):
        assert "--scenarios DIR" in complaint(room(*command), WRONG_USAGE)
        assert room(*command, "--scenarios", "moved").code == 0


def test_a_room_is_shown_as_far_as_it_can_be_read(main: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("Ada", "Anna Maria", "x\n\x1b[2J"):
        assert main("start", "unclosed-body", name).code == 0
    (tmp_path / "link").symlink_to("Ada")
    whole = main("progress", "Ada/", "Anna Maria/", "x\n\x1b[2J/", "link", "-o", "room.txt")
    assert (whole.code, whole.stdout) == (0, "")
    shown = (tmp_path / "room.txt").read_text()
    assert [name for name in ("Ada", "Anna Maria", "x��[2J", "link", "0 of 4") if name not in shown] == []

    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / STATE).write_text("{")
    partly = main("progress", "broken/", "Ada/", "gone/", "--json")
    assert (partly.code, [one["who"] for one in partly.document["learners"]]) == (NOT_AS_EXPECTED, ["Ada"])
    told = ["leaklab: broken/leaklab-progress.json is broken", "leaklab: there is no folder gone"]
    assert [line.startswith(words) for line, words in zip(partly.stderr.splitlines(), told, strict=True)] == [True] * 2
    # As if none might be read: that is said of each, and does not stop the others.
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert main("progress", "broken/", "Ada/").code == NOT_AS_EXPECTED
    nothing = main("progress", "broken", "gone")
    assert (nothing.code, nothing.stdout, len(nothing.stderr.splitlines())) == (WRONG_USAGE, "", 2)


@pytest.mark.parametrize(
    "command",
    ["start nothing", "check", "check none.py", "hint", "solution", "reset none.py", "progress none", "watch"],
)
def test_an_exercise_that_is_not_there_is_refused_in_a_line(
    main: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    complaint(main(*command.split()), WRONG_USAGE)


# ---- files that do not work


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "def run(jobs):\n    print('so far')\n    for n, job in enumerate(jobs):\n        1 / (3 - n)\n",
            ["ZeroDivisionError: division by zero", "line 4", "in step 4", "Your file printed:", "so far"],
        ),
        ("import os\ndef run(jobs):\n    for job in jobs:\n        os._exit(7)\n", ["code 7", "after 0 whole steps"]),
        ("def run(pages):\n    pass\n", ["unexpected keyword argument 'jobs'", "needs a function"]),
        (
            "def run(jobs):\n    print('x' * 500 + '\\x1b[2J\\n' * 1000)\n",
            ["the work is not done", "Your file printed (5 of 1,001 lines):"],
        ),
    ],
    ids=["raises", "ends the process", "has other arguments", "prints much and does nothing"],
)
def test_a_broken_file_is_told_by_its_own_line_and_error_in_one_screen(
    room: Command, text: str, words: list[str]
) -> None:
    room(*QUICK)
    (folder_of(room) / QUICK_EXERCISE).write_text(text)
    finished = room("check", *OURS)
    assert finished.code == NOT_AS_EXPECTED, finished.stderr
    said = one_screen(finished)
    assert said.startswith("NOT FIXED")
    assert [word for word in words if word not in said] == []
    assert "worker.py" not in said
    assert "\x1b" not in said


def test_a_file_that_hangs_is_ended_at_the_time_limit(room: Command) -> None:
    room(*QUICK)
    (folder_of(room) / QUICK_EXERCISE).write_text("def run(jobs):\n    for job in jobs:\n        while True: pass\n")
    finished = room("check", "--limit", "time=1s", *OURS)
    assert finished.code == TIME_LIMIT
    said = one_screen(finished)
    assert "its time limit of 1 s" in said
    assert "in step 1" in said


def test_an_interrupted_check_is_no_attempt_and_leaves_nothing(room: Command) -> None:
    room(*QUICK)
    mark = folder_of(room) / "began"
    (folder_of(room) / QUICK_EXERCISE).write_text(SLEEPS.format(mark=str(mark), seconds=600))
    started = room.start("check", "--limit", "time=300s", *OURS)
    wait_until(mark.exists, "the learner's half")
    started.interrupt()
    assert json.loads((folder_of(room) / STATE).read_text())["exercises"][QUICK_EXERCISE]["attempts"] == 0


# ---- which of several


def test_of_several_exercises_the_terminal_asks_which(terminal: Callable[..., Terminal]) -> None:
    for name in ("huge-array", "unclosed-body"):
        terminal("start", name).end()
    asked = {name: terminal("hint") for name in ("second", "named", "usual", "closed", "interrupted")}
    for ask in asked.values():
        listed = ask.expect("Which one? [1] ")
        assert re.search(r"1  unclosed_body.py  not solved\s+2  huge_array.py     not solved", listed)
    asked["second"].child.send("3\r")
    asked["second"].expect("Type a number from 1 to 2, or a name.")
    asked["second"].expect("Which one? [1] ", "2\r")
    asked["named"].child.send("huge_array.py\r")
    asked["usual"].child.send("\r")
    asked["closed"].child.sendeof()
    asked["interrupted"].child.sendintr()
    assert [ask.end() for ask in asked.values()] == [0, 0, 0, WRONG_USAGE, INTERRUPTED]
    hints = {"second": "memory", "named": "memory", "usual": "socket", "closed": "which exercise in this folder?"}
    assert [name for name, word in hints.items() if word not in asked[name].seen] == []


# ---- watch, in a terminal


def save_by_renaming(file: Path) -> None:
    """Save our fix as many editors do: a new file takes the place of the old one."""
    beside = file.with_name("4913~")
    beside.write_bytes(FIX)
    beside.replace(file)


ENVIRONMENTS = {
    "colour": {},
    "NO_COLOR": {"NO_COLOR": "1"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "TERM": "vt100"},
}


def test_the_whole_flow_in_a_terminal_from_start_to_green(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """In colour, with NO_COLOR and in ASCII, side by side: while one is looked at, the others go on."""

    def open_all(*arguments: str) -> dict[str, Terminal]:
        return {name: terminal(*arguments, folder=tmp_path / name, **env) for name, env in ENVIRONMENTS.items()}

    for name in ENVIRONMENTS:
        (tmp_path / name).mkdir()
    for start in open_all("start", "unclosed-body").values():
        start.expect("leaklab watch")
        assert start.end() == 0

    watches = open_all("watch")
    for name, watch in watches.items():
        watch.expect("NOT FIXED: leaked, wasted")
        watch.expect("kept by")
        watch.expect(KEYS_LINE, "s")
        watch.expect("Solve the exercise to see", "n")
        watch.expect("Solve this exercise first", "h")
        watch.expect("line 25 opened what is left")
        watch.expect("Hint 1 of 3")
        watch.expect("Press h again")
        watch.expect(KEYS_LINE)
        save_by_renaming(tmp_path / name / EXERCISE)

    for name, watch in watches.items():
        watch.expect("FIXED")
        screen = watch.expect(KEYS_LINE, "s")
        assert "9 counts" in screen
        assert "An unread body ties up its connection" in screen
        assert "n next" in screen
        assert len(screen.splitlines()) <= 24
        watch.expect("line for line", "n" if name == "colour" else "q")
        if name == "colour":
            watch.expect("Exercise 2 of 9: open close_in_loop.py")
            assert "n next" not in watch.expect(KEYS_LINE)
            (tmp_path / name / "close_in_loop.py").write_bytes(NEXT_FIX)
            watch.expect("FIXED")
            watch.expect(KEYS_LINE, "q")
        assert watch.end() == 0
        colours = re.findall(r"\x1b\[[0-9;]*m", watch.seen)
        coloured = [code for code in colours if re.search(r"[;\[](3[0-7]|9[0-7]|38)", code)]
        assert bool(coloured) == (name != "NO_COLOR"), coloured
        assert watch.seen.isascii() or name != "ASCII"


def modes(terminal: Terminal) -> tuple[bool, bool]:
    """Whether the terminal waits for Enter, and whether it shows what is typed."""
    flags = termios.tcgetattr(terminal.child.child_fd)[3]
    return bool(flags & termios.ICANON), bool(flags & termios.ECHO)


def test_however_watch_ends_the_terminal_is_as_it_was(terminal: Callable[..., Terminal]) -> None:
    terminal(*QUICK).end()
    watches = {number: terminal("watch", *OURS) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, watch in watches.items():
        watch.expect(KEYS_LINE)
        assert modes(watch) == (False, False)
        watch.child.kill(number)
        watch.child.expect(pexpect.EOF)
        assert modes(watch) == (True, True), number.name
        assert watch.end() == INTERRUPTED, number.name


def test_keys_are_heard_after_a_shell_had_the_terminal_back(terminal: Callable[..., Terminal]) -> None:
    """As after Ctrl-Z and `fg`."""
    terminal(*QUICK).end()
    watch = terminal("watch", *OURS)
    watch.expect(KEYS_LINE)
    own = termios.tcgetattr(watch.child.child_fd)
    own[3] |= termios.ICANON | termios.ECHO
    termios.tcsetattr(watch.child.child_fd, termios.TCSANOW, own)
    watch.child.kill(signal.SIGCONT)
    wait_until(lambda: modes(watch) == (False, False), "the keys")
    watch.child.send("q")
    assert watch.end() == 0


def test_a_file_that_breaks_and_is_gone_for_a_while_does_not_end_watch(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal(*QUICK).end()
    file = tmp_path / QUICK_EXERCISE
    watch = terminal("watch", "--poll", *OURS)
    watch.expect(KEYS_LINE)
    file.write_text("def run(jobs):\n    return [\n")
    watch.expect("SyntaxError")
    watch.expect(KEYS_LINE)
    file.unlink()
    file.write_bytes(QUICK_FIX)
    watch.expect("7 counts")
    watch.expect(KEYS_LINE, "c")
    watch.expect("7 counts", "q")
    assert watch.end() == 0


def test_a_save_while_a_check_is_running_is_checked_afterwards(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal(*QUICK).end()
    file, mark = tmp_path / QUICK_EXERCISE, tmp_path / "began"
    file.write_text(SLEEPS.format(mark=str(mark), seconds=1))
    watch = terminal("watch", *OURS)
    wait_until(mark.exists, "the first check")
    file.write_bytes(QUICK_FIX)
    watch.expect("expected the jobs 1 to 20")
    watch.expect("7 counts", "q")
    assert watch.end() == 0


def test_without_a_terminal_watch_has_no_keys_clears_nothing_and_ends_on_a_signal(
    room: Command, tmp_path: Path
) -> None:
    room(*QUICK)
    text = tmp_path / "out"
    with text.open("w+b") as out:
        started = room.start("watch", *OURS, env={"PYTHONUNBUFFERED": "1"}, stdout=out.fileno())
        wait_until(lambda: b"Ctrl-C" in text.read_bytes(), "the first check")
        (folder_of(room) / QUICK_EXERCISE).write_bytes(QUICK_FIX)
        wait_until(lambda: text.read_bytes().count(b"Ctrl-C") == 2, "the second check")
        started.interrupt(signal.SIGTERM)
    said = text.read_text()
    assert "\x1b" not in said
    assert KEYS_LINE not in said
    assert said.index("NOT FIXED") < said.index("\nFIXED")


def test_watch_goes_on_without_its_services_and_leaves_nothing_when_it_is_killed(room: Command, tmp_path: Path) -> None:
    room(*QUICK)
    file, text = folder_of(room) / QUICK_EXERCISE, tmp_path / "out"
    with text.open("w+b") as out:
        started = room.start("watch", *OURS, env={"PYTHONUNBUFFERED": "1"}, stdout=out.fileno())

        def shown(times: int) -> bool:
            return text.read_bytes().count(b"Ctrl-C") == times

        wait_until(lambda: shown(1), "the first check")
        (services,) = started.called("host.py")
        services.kill()
        file.write_bytes(QUICK_FIX)
        wait_until(lambda: shown(2), "a check with other services")
        assert len(started.called("host.py")) == len(started.called("guard.py")) == 1
        started.send(signal.SIGKILL)
        started.process.wait()
        started.check_nothing_is_left(PATIENCE_S)
    assert "\nFIXED" in text.read_text()
