"""The whole flow on the real command line and in a real terminal: from `start` to a green `check`."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pexpect
import psutil
import pytest
from rich.console import Console

from leaklab.content.catalog import Catalog
from leaklab.lab.pair import run_halves
from leaklab.reports.check_report import check_report
from leaklab.workshop.check_result import YOURS, CheckResult
from leaklab.workshop.checking import check, judge_file, learners_options
from leaklab.workshop.progress_file import STATE
from tests.integration.conftest import MARK, PATIENCE_S, SCENARIOS, Command, Finished, wait_until

FIXED, NOT_FIXED, WRONG_USAGE, TIME_LIMIT, INTERRUPTED = 0, 1, 2, 124, 130
EXERCISE = "unclosed_body.py"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


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


def paste_fixed(file: Path, half: str = "fixed") -> None:
    file.write_bytes((SCENARIOS / file.stem / f"{half}.py").read_bytes())


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
    assert first.code == NOT_FIXED
    said = one_screen(first)
    for words in ("NOT FIXED", "open sockets", "one per step", "From step 2 on", "leaky", "fixed", "yours", "hint"):
        assert words in said

    assert "Hint 1 of 3" in room("hint").stdout
    second_hint = room("hint", EXERCISE).stdout
    assert "Hint 2 of 3" in second_hint
    assert "Hint 3" not in second_hint

    refused = room("solution")
    assert (refused.code, refused.stdout) == (WRONG_USAGE, "")
    assert "--anyway" in refused.stderr
    assert "response.content" in room("solution", "--anyway").stdout

    paste_fixed(file)
    good = room("check", EXERCISE)
    assert good.code == FIXED
    assert one_screen(good).startswith("FIXED")
    assert "line for line" in room("solution").stdout

    progress = room("progress").stdout
    assert re.search(rf"{EXERCISE} .* 2 +2 +\d{{4}}-\d\d-\d\d \d\d:\d\d", progress)
    assert "1 of 1 solved" in progress

    reset = room("reset", EXERCISE)
    assert reset.code == 0
    assert file.read_bytes() == leaky
    assert "0 of 1 solved" in room("progress").stdout
    assert sorted(path.name for path in folder_of(room).iterdir()) == sorted([STATE, EXERCISE, f"{EXERCISE}.1.bak"])


@dataclass(frozen=True)
class RedAndGreen:
    """A check of an exercise as it is started, and one of it with our fix."""

    red: Finished
    green: Finished


COURSE: dict[str, tuple[str, ...]] = {
    "open-cursor": (),
    "unbounded-wait": ("--set", "hang=2500ms", "--set", "deadline=1s", "--set", "dead=drip"),
    "huge-array": ("--set", "size=64MiB"),
}
"""What is checked and how: a service, a wait, memory. tests/integration/test_fixes.py has these and all other files."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RedAndGreen]:
    """The flow of each, all at once: one waits while another measures."""
    rooms = {name: Command(tmp_path_factory.mktemp("course")) for name in COURSE}

    def flow(name: str) -> RedAndGreen:
        room = rooms[name]
        assert room("start", name).code == 0
        red = room("check", *COURSE[name])
        paste_fixed(room.temporary / f"{name.replace('-', '_')}.py")
        return RedAndGreen(red, room("check", *COURSE[name]))

    try:
        with ThreadPoolExecutor(len(COURSE)) as pool:
            return dict(zip(COURSE, pool.map(flow, COURSE), strict=True))
    finally:
        for room in rooms.values():
            room.close()


@pytest.mark.parametrize("name", COURSE)
def test_an_exercise_is_red_as_it_is_started_and_green_with_our_fix(course: dict[str, RedAndGreen], name: str) -> None:
    found = course[name]
    assert found.red.code == NOT_FIXED
    assert "NOT FIXED: it leaks" in one_screen(found.red)
    assert found.green.code == FIXED, found.green.stdout
    assert one_screen(found.green).startswith("FIXED")


def test_exercises_in_a_folder_that_moves(room: Command) -> None:
    room("start", "unclosed-body", "here")
    (folder_of(room) / "here").rename(folder_of(room) / "there")
    paste_fixed(folder_of(room) / "there" / EXERCISE)
    assert room("check", f"there/{EXERCISE}").code == FIXED
    assert "1 of 1 solved" in room("progress", "there").stdout


def test_the_document_of_a_check_is_json(room: Command) -> None:
    room("start", "unclosed-body")
    finished = room("check", "--json")
    assert finished.code == NOT_FIXED
    document = finished.document
    assert (document["state"], document["fixed"], document["exercise"]["attempts"]) == ("leaks", False, 1)
    assert document["result"]["halves"]["yours"]["metrics"]["open_sockets"]["collected"] == 50


def test_a_file_of_ones_own_is_checked_by_naming_the_scenario_and_no_state_is_written(room: Command) -> None:
    file = folder_of(room) / "mine.py"
    file.write_bytes((SCENARIOS / "unclosed_body" / "fixed.py").read_bytes())
    asked = room("check", "mine.py")
    assert asked.code == WRONG_USAGE
    assert "--scenario NAME" in asked.stderr
    assert room("check", "mine.py", "--scenario", "unclosed-body").code == FIXED
    assert [path.name for path in folder_of(room).iterdir()] == ["mine.py"]


def test_a_broken_progress_file_is_told_and_a_check_goes_on_without_it(room: Command) -> None:
    room("start", "unclosed-body")
    state = folder_of(room) / STATE
    state.write_text('{"schema": 1, "exer')
    for command in ("check", "hint", "solution", "progress"):
        told = room(command)
        assert told.code == WRONG_USAGE
        assert f"{STATE} is broken" in told.stderr
        assert "move it away" in told.stderr
    checked = room("check", EXERCISE, "--scenario", "unclosed-body")
    assert checked.code == NOT_FIXED
    assert "is broken" in checked.stderr
    assert state.read_text() == '{"schema": 1, "exer'


@pytest.mark.parametrize(
    "arguments",
    [
        ("start", "no-such-thing"),
        ("check",),
        ("check", "nowhere.py"),
        ("hint",),
        ("solution",),
        ("reset", "nowhere.py"),
        ("progress",),
        ("progress", "nowhere"),
        ("watch",),
        ("check", "--limit", "time=soon"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused_in_a_line(room: Command, arguments: tuple[str, ...]) -> None:
    refused = room(*arguments)
    assert (refused.code, refused.stdout) == (WRONG_USAGE, "")
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith("leaklab: ")


# ---- files that do not work


BROKEN = {
    "syntax": (
        "import requests\n\ndef run(urls):\n    sizes = [\n    return sizes\n",
        ["SyntaxError: '[' was never closed", "line 4", "sizes = ["],
    ),
    "raises": (
        (
            "def run(urls):\n    print('so far')\n    for n, url in enumerate(urls):\n        if n == 3:\n"
            "            raise ValueError('my own words')\n"
        ),
        ["ValueError: my own words", "line 5", "in step 4", "Your file printed:", "so far"],
    ),
    "raises in a helper": (
        "def half(url):\n    return url / 2\n\ndef run(urls):\n    return [half(url) for url in urls]\n",
        ["TypeError: unsupported operand", "line 2", "return url / 2"],
    ),
    "exits": ("import sys\ndef run(urls):\n    sys.exit(7)\n", ["SystemExit: 7", "line 3"]),
    "ends the process": (
        "import os\ndef run(urls):\n    for url in urls:\n        os._exit(7)\n",
        ["exited with code 7", "after 0 whole steps"],
    ),
    "imports what is not there": ("import no_such_module\n", ["No module named 'no_such_module'", "line 1"]),
    "has no run": ("def walk(urls):\n    pass\n", ["no function called run", "needs a function run()"]),
    "has other arguments": ("def run(pages):\n    pass\n", ["unexpected keyword argument 'urls'", "needs a function"]),
    "is empty": ("", ["no function called run"]),
    "prints much and does nothing": (
        "def run(urls):\n    print('x' * 500 + '\\x1b[2J\\n' * 1000)\n",
        ["the work is not done", "Your file printed (5 of 1,001 lines):"],
    ),
    "imports the lab": ("import leaklab\ndef run(urls):\n    pass\n", ["NOT FIXED: rejected", "line 1"]),
}
REFUSED = ("syntax", "imports the lab")
"""What can be told without a run."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said of each broken file: those that are run are measured beside one leaky and one fixed half."""
    entry, found = Catalog().get("unclosed-body"), dict[str, CheckResult]()
    files = {kind: tmp_path_factory.mktemp("broken") / EXERCISE for kind in BROKEN}
    for kind, file in files.items():
        file.write_text(BROKEN[kind][0])
        if kind in REFUSED:
            found[kind] = check(entry, file)
    run = {kind: file for kind, file in files.items() if kind not in found}
    settings = entry.scenario.settings
    controls = {half: entry.half_path(half) for half in ("leaky", "fixed")}
    result = run_halves(entry, {**controls, **run}, settings, learners_options())
    for kind, file in run.items():
        halves = {**{half: result.halves[half] for half in controls}, YOURS: replace(result.halves[kind], half=YOURS)}
        found[kind] = judge_file(entry.scenario, file, settings, replace(result, halves=halves))
    said: dict[str, str] = {}
    for kind, one in found.items():
        out = StringIO()
        Console(width=80, color_system=None, file=out, highlight=False).print(check_report(one, Path(EXERCISE)))
        said[kind] = out.getvalue()
    return said


def assert_tells(said: str, kind: str) -> None:
    for words in BROKEN[kind][1]:
        assert words in said, said
    assert "worker.py" not in said
    assert "\x1b" not in said
    lines = said.splitlines()
    assert len(lines) <= 23
    assert max(len(line.rstrip()) for line in lines) <= 80


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_told_by_its_own_line_and_error_in_one_screen(told: dict[str, str], kind: str) -> None:
    assert told[kind].startswith("NOT FIXED")
    assert_tells(told[kind], kind)


@pytest.mark.parametrize("kind", ["imports the lab", "raises", "prints much and does nothing"])
def test_a_check_of_a_broken_file_says_so_on_the_real_command_line(room: Command, kind: str) -> None:
    """One that is refused, one that crashes, one that goes through and has nothing done."""
    room("start", "unclosed-body")
    (folder_of(room) / EXERCISE).write_text(BROKEN[kind][0])
    finished = room("check")
    assert finished.code == NOT_FIXED, finished.stderr
    assert_tells(one_screen(finished), kind)


def test_a_file_that_hangs_is_ended_at_the_time_limit(room: Command) -> None:
    room("start", "unclosed-body")
    (folder_of(room) / EXERCISE).write_text("def run(urls):\n    for url in urls:\n        while True: pass\n")
    finished = room("check", "--limit", "time=1s")
    assert finished.code == TIME_LIMIT
    said = one_screen(finished)
    assert "its time limit of 1 s" in said
    assert "in step 1" in said


def test_an_interrupted_check_is_no_attempt_and_leaves_nothing(room: Command) -> None:
    room("start", "unclosed-body")
    mark = folder_of(room) / "began"
    (folder_of(room) / EXERCISE).write_text(
        f"import time\ndef run(urls):\n    open({str(mark)!r}, 'w').close()\n    time.sleep(600)\n"
    )
    started = room.start("check", "--limit", "time=300s")
    wait_until(mark.exists, "the learner's half")
    started.send(signal.SIGINT)
    assert started.finish().code == INTERRUPTED
    assert json.loads((folder_of(room) / STATE).read_text())["exercises"][EXERCISE]["attempts"] == 0


# ---- watch, in a terminal


class Terminal:
    """A terminal of a given size, in which leaklab runs."""

    def __init__(self, folder: Path, size: tuple[int, int], environment: dict[str, str], *arguments: str) -> None:
        plain = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "PYTHONIOENCODING"}
        kept = {name: value for name, value in os.environ.items() if name not in plain}
        self.tag = uuid.uuid4().hex
        self.seen = ""
        self.child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            ["-m", "leaklab", *arguments],
            cwd=str(folder),
            env={**kept, "TERM": "xterm-256color", MARK: self.tag, **environment},
            dimensions=size,
            encoding="utf-8",
            timeout=int(PATIENCE_S),
        )

    def expect(self, words: str) -> str:
        """Wait until `words` are on the screen, and return all since the last time."""
        self.child.expect(re.escape(words))
        found = f"{self.child.before or ''}{self.child.after}"
        self.seen += found
        return found

    def press(self, key: str) -> None:
        self.child.send(key)

    def end(self) -> int | None:
        """Wait for the end and see that no process is left."""
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before or ""
        self.child.close()
        wait_until(lambda: not self.left(), "the end of all processes")
        return self.child.exitstatus

    def left(self) -> list[int]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.tag and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.pid)
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(
        *arguments: str,
        folder: Path = tmp_path,
        size: tuple[int, int] = (24, 80),
        environment: dict[str, str] | None = None,
    ) -> Terminal:
        opened.append(Terminal(folder, size, environment or {}, *arguments))
        return opened[-1]

    yield open_one
    for one in opened:
        one.child.close(force=True)


def save_by_renaming(file: Path, text: bytes) -> None:
    """Save as many editors do: a new file takes the place of the old one."""
    beside = file.with_name("4913~")
    beside.write_bytes(text)
    beside.replace(file)


KEYS_LINE = "q quit"


ENVIRONMENTS = {
    "colour": {},
    "NO_COLOR": {"NO_COLOR": "1"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "TERM": "vt100"},
}


@pytest.mark.parametrize("size", [(24, 80), (40, 120)], ids=["80x24", "120x40"])
def test_the_whole_flow_in_a_terminal_from_start_to_green(
    terminal: Callable[..., Terminal], tmp_path: Path, size: tuple[int, int]
) -> None:
    """In colour, with NO_COLOR and in ASCII, side by side: while one is looked at, the others go on."""

    def open_all(*arguments: str) -> dict[str, Terminal]:
        return {
            name: terminal(*arguments, folder=tmp_path / name, size=size, environment=environment)
            for name, environment in ENVIRONMENTS.items()
        }

    for name in ENVIRONMENTS:
        (tmp_path / name).mkdir()
    for start in open_all("start", "unclosed-body").values():
        start.expect("leaklab watch")
        assert start.end() == 0

    watches = open_all("watch")
    for name, watch in watches.items():
        watch.expect("NOT FIXED: it leaks")
        watch.expect(KEYS_LINE)
        watch.press("s")
        watch.expect("shown when it is solved")
        watch.press("h")
        watch.expect("Hint 1 of 3")
        watch.expect(KEYS_LINE)
        save_by_renaming(tmp_path / name / EXERCISE, (SCENARIOS / "unclosed_body" / "fixed.py").read_bytes())

    for name, watch in watches.items():
        watch.expect("FIXED")
        screen = watch.expect(KEYS_LINE)
        assert "nothing was left open" in screen
        assert len(screen.splitlines()) <= size[0]
        watch.press("s")
        watch.expect("line for line")
        watch.press("q")
        assert watch.end() == 0
        colours = COLOUR.findall(watch.seen)
        coloured = [code for code in colours if re.search(r"[;\[](3[0-7]|9[0-7]|38)", code)]
        assert bool(coloured) == (name != "NO_COLOR"), coloured
        assert watch.seen.isascii() or name != "ASCII"

    for again in open_all("check").values():
        again.expect("FIXED")
        assert again.end() == 0


def modes(terminal: Terminal) -> tuple[bool, bool]:
    """Whether the terminal waits for Enter, and whether it shows what is typed."""
    import termios

    flags = termios.tcgetattr(terminal.child.child_fd)[3]
    return bool(flags & termios.ICANON), bool(flags & termios.ECHO)


def test_however_watch_ends_the_terminal_is_as_it_was(terminal: Callable[..., Terminal]) -> None:
    terminal("start", "unclosed-body").end()
    watches = {number: terminal("watch") for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, watch in watches.items():
        watch.expect(KEYS_LINE)
        assert modes(watch) == (False, False)
        watch.child.kill(number)
        watch.child.expect(pexpect.EOF)
        assert modes(watch) == (True, True), number.name
        assert watch.end() == INTERRUPTED, number.name


def test_a_file_that_breaks_and_is_gone_for_a_while_does_not_end_watch(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal("start", "unclosed-body").end()
    file = tmp_path / EXERCISE
    watch = terminal("watch", "--poll")
    watch.expect(KEYS_LINE)
    file.write_text("def run(urls):\n    return [\n")
    watch.expect("SyntaxError")
    watch.expect(KEYS_LINE)
    file.unlink()
    paste_fixed(file)
    watch.expect("nothing was left open")
    watch.expect(KEYS_LINE)
    watch.press("c")
    watch.expect("nothing was left open")
    watch.press("q")
    assert watch.end() == 0


def test_a_save_while_a_check_is_running_is_checked_afterwards(
    terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    terminal("start", "unclosed-body").end()
    file, mark = tmp_path / EXERCISE, tmp_path / "began"
    file.write_text(f"import time\ndef run(urls):\n    open({str(mark)!r}, 'w').close()\n    time.sleep(1)\n")
    watch = terminal("watch")
    wait_until(mark.exists, "the first check")
    paste_fixed(file)
    watch.expect("the work is not done")
    watch.expect("nothing was left open")
    watch.press("q")
    assert watch.end() == 0


def test_without_a_terminal_watch_has_no_keys_clears_nothing_and_ends_on_a_signal(
    room: Command, tmp_path: Path
) -> None:
    room("start", "unclosed-body")
    with (tmp_path / "out").open("w+b") as out:
        started = room.start("watch", env={"PYTHONUNBUFFERED": "1"}, stdout=out.fileno())
        text = tmp_path / "out"
        wait_until(lambda: b"Ctrl-C ends it" in text.read_bytes(), "the first check")
        paste_fixed(folder_of(room) / EXERCISE)
        wait_until(lambda: text.read_bytes().count(b"Ctrl-C ends it") == 2, "the second check")
        started.send(signal.SIGTERM)
        assert started.finish().code == INTERRUPTED
    said = text.read_text()
    assert "\x1b" not in said
    assert "q quit" not in said
    assert said.index("NOT FIXED") < said.index("\nFIXED")
