"""The real command line in real processes, and the proof that a run leaves nothing behind.

Every command runs with a temporary folder of its own and a mark in its environment that all its processes inherit:
when it is over, none of them may be left, and nothing in the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

from leaklab import cli
from leaklab.golang.toolchain import NoGoError, toolchain

ROOT = Path(__file__).parents[2]
CONTENT = ROOT / "tests" / "content"
SCENARIOS = ROOT / "scenarios"
MARK = "LEAKLAB_TEST_RUN"
STEPS_FILE = "LEAKLAB_TEST_MARK"
"""The variable that names the file in which some halves of tests/content write one character per step."""

PATIENCE_S = 60.0
"""Seconds that something is waited for before it is said not to happen."""

NOT_AS_EXPECTED, WRONG_USAGE, COULD_NOT_MEASURE, TIME_LIMIT, INTERRUPTED = 1, 2, 3, 124, 130

Document = dict[str, Any]
Run = Callable[..., "Finished"]


@dataclass(frozen=True)
class Finished:
    """A command that is over."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Document:
        """What it printed, as JSON."""
        return dict(json.loads(self.stdout))


def wait_until(true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look until it is true, and fail if that takes too long."""
    until = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > until:
            pytest.fail(f"{what} did not happen within {patience_s:.0f} s")
        time.sleep(0.01)


def compiled_files() -> list[Path]:
    """What Python leaves beside a file that it imports in the usual way."""
    return [path for folder in (SCENARIOS, CONTENT) for path in folder.rglob("__pycache__")]


def processes_of(tag: str) -> list[psutil.Process]:
    """The processes of the run with this mark that are there, whatever their parent by now."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == tag and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def command_lines(processes: Iterable[psutil.Process]) -> list[list[str]]:
    """How these processes were started; one that has ended by now is left out."""
    lines: list[list[str]] = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            lines.append(process.cmdline())
    return lines


def environment(tag: str, changes: Mapping[str, str | None]) -> dict[str, str]:
    """What a command finds around it: nothing of ours that changes what is shown; a change to None takes one out."""
    plain = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "PYTHONDONTWRITEBYTECODE", "LEAKLAB_DEBUG")
    changed = {**os.environ, "PYTHONIOENCODING": "utf-8", **dict.fromkeys(plain), **changes, MARK: tag}
    return {name: value for name, value in changed.items() if value is not None}


@dataclass
class Command:
    """A way to start leaklab."""

    temporary: Path
    start_with: tuple[str, ...] = (sys.executable, "-m", "leaklab")
    cwd: Path | None = None
    started: list[Started] = field(default_factory=list)

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
    ) -> Started:
        """Start `leaklab ARGUMENTS`; a variable of `env` that is None is taken out."""
        tag = uuid.uuid4().hex
        folder = self.temporary / tag
        folder.mkdir()
        process = subprocess.Popen(
            [*self.start_with, *arguments],
            env=environment(tag, {"COLUMNS": "80", "TMPDIR": str(folder), **(env or {})}),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.cwd or self.temporary,
            start_new_session=True,
        )
        self.started.append(Started(process, tag, folder))
        return self.started[-1]

    def __call__(self, *arguments: str, env: Mapping[str, str | None] | None = None) -> Finished:
        """Run `leaklab ARGUMENTS` to its end, and see that it left nothing behind."""
        before = compiled_files()
        finished = self.start(*arguments, env=env).finish()
        assert compiled_files() == before, "a compiled file was left beside a scenario"
        return finished

    def close(self) -> None:
        """End whatever a failed test left."""
        for started in self.started:
            started.kill()


@dataclass
class Started:
    """A command that is running."""

    process: subprocess.Popen[bytes]
    tag: str
    folder: Path

    def processes(self) -> list[psutil.Process]:
        """The processes of the run that are there, the command itself included."""
        return processes_of(self.tag)

    def called(self, script: str) -> list[psutil.Process]:
        """The processes of the run whose command line names `script`."""
        return [
            process
            for process in self.processes()
            if any(part.endswith(script) for line in command_lines([process]) for part in line)
        ]

    def finish(self, patience_s: float = PATIENCE_S, *, typed: str | None = None) -> Finished:
        """Wait for the end, and see that nothing is left: no process (so no listening port either), no file."""
        try:
            said = self.process.communicate(None if typed is None else typed.encode(), timeout=patience_s)
        except subprocess.TimeoutExpired:
            left = command_lines(self.processes())
            self.kill()
            pytest.fail(f"it did not end within {patience_s:.0f} s; running: {left}")
        self.check_nothing_is_left()
        return Finished(self.process.returncode, *((part or b"").decode() for part in said))

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> Finished:
        """End the command by a signal, without a word of the interpreter's."""
        self.send(number)
        finished = self.finish()
        assert finished.code == INTERRUPTED
        assert "Traceback" not in finished.stderr
        return finished

    def check_nothing_is_left(self, patience_s: float = 0.0) -> None:
        """No process of the run, no file in its temporary folder."""
        until = time.monotonic() + patience_s
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.02)
        assert command_lines(left) == [], "processes were left"
        assert list(self.folder.iterdir()) == [], "files were left in the temporary folder"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command itself, and to none of its children."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End every process of the run."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream is not None:
                stream.close()


class Terminal:
    """A terminal of 80 columns in which leaklab runs; its standard output may go to a file."""

    def __init__(
        self, folder: Path, *arguments: str, lines: int = 24, printed: Path | str = "/dev/stdout", **changes: str
    ) -> None:
        self.tag = uuid.uuid4().hex
        self.seen = ""
        self.child: pexpect.spawn[str] = pexpect.spawn(
            "/bin/sh",
            ["-c", 'exec "$@" > "$0"', str(printed), sys.executable, "-m", "leaklab", *arguments],
            cwd=str(folder),
            env=environment(self.tag, {"TERM": "xterm-256color", **changes}),
            dimensions=(lines, 80),
            encoding="utf-8",
            timeout=int(PATIENCE_S),
        )

    def expect(self, words: str, then_press: str = "") -> str:
        """Wait until `words` are on the screen, press keys, and return all since the last time."""
        self.child.expect_exact(words)
        found = f"{self.child.before or ''}{self.child.after}"
        self.seen += found
        self.child.send(then_press)
        return found

    def end(self) -> int | None:
        """Wait for the end and see that no process is left."""
        self.child.expect(pexpect.EOF)
        self.seen += self.child.before or ""
        self.child.close()
        wait_until(lambda: not processes_of(self.tag), "the end of all processes")
        return self.child.exitstatus


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """`terminal(ARGUMENT, …)` runs leaklab in a terminal, in `folder` or the test's own."""
    opened: list[Terminal] = []

    def open_one(*arguments: str, folder: Path = tmp_path, **options: Any) -> Terminal:
        opened.append(Terminal(folder, *arguments, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.child.close(force=True)


@pytest.fixture
def leaklab(tmp_path: Path) -> Iterator[Command]:
    """`leaklab(ARGUMENT, …)` runs the command line and returns its exit code and what it printed."""
    command = Command(tmp_path)
    yield command
    command.close()


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Finished]]:
    """As `leaklab`, but a command that another test has run is not run again."""
    command = Command(tmp_path_factory.mktemp("once"))
    known: dict[tuple[str, ...], Finished] = {}

    def run(*arguments: str) -> Finished:
        if arguments not in known:
            known[arguments] = command(*arguments)
        return known[arguments]

    yield run
    command.close()


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
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


def complaint(finished: Finished, code: int) -> str:
    """What a refused command said: one line on standard error, nothing on standard output, no traceback."""
    assert (finished.code, finished.stdout) == (code, ""), finished.stderr
    assert finished.stderr.startswith("leaklab: ")
    assert len(finished.stderr.splitlines()) == 1, finished.stderr
    return finished.stderr


def needs_go() -> None:
    """Skip the test where halves in Go cannot be built, and say why."""
    try:
        toolchain()
    except NoGoError as error:
        pytest.skip(str(error))
