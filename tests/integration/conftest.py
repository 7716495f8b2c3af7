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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
CONTENT = ROOT / "tests" / "content"
SCENARIOS = ROOT / "scenarios"
MARK = "LEAKLAB_TEST_RUN"
STEPS_FILE = "LEAKLAB_TEST_MARK"
"""The variable that names the file in which some halves of tests/content write one character per step."""

PATIENCE_S = 60.0
"""Seconds that something is waited for before it is said not to happen."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Finished:
    """A command that is over."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Document:
        """What it printed, as JSON."""
        document: Document = json.loads(self.stdout)
        return document


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
        plain = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "PYTHONDONTWRITEBYTECODE", "LEAKLAB_DEBUG"}
        environment = {name: value for name, value in os.environ.items() if name not in plain}
        environment |= {"COLUMNS": "80", "TMPDIR": str(folder), MARK: tag, "PYTHONIOENCODING": "utf-8"}
        for name, value in (env or {}).items():
            if value is None:
                environment.pop(name, None)
            else:
                environment[name] = value
        process = subprocess.Popen(
            [*self.start_with, *arguments],
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            cwd=self.cwd or self.temporary,
            start_new_session=True,
        )
        started = Started(process, tag, folder)
        self.started.append(started)
        return started

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
        """The processes of the run that are there, the command itself included, whoever is their parent by now."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK) == self.tag and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def called(self, script: str) -> list[psutil.Process]:
        """The processes of the run whose command line names `script`."""
        found: list[psutil.Process] = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if any(part.endswith(script) for part in process.cmdline()):
                    found.append(process)
        return found

    def finish(self, patience_s: float = PATIENCE_S) -> Finished:
        """Wait for the end, and see that nothing is left: no process (so no listening port either), no file."""
        try:
            stdout, stderr = self.process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            left = [process.cmdline() for process in self.processes()]
            self.kill()
            pytest.fail(f"it did not end within {patience_s:.0f} s; running: {left}")
        self.check_nothing_is_left()
        return Finished(self.process.returncode, (stdout or b"").decode(), stderr.decode())

    def check_nothing_is_left(self, patience_s: float = 0.0) -> None:
        """No process of the run, no file in its temporary folder."""
        until = time.monotonic() + patience_s
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.02)
        told = []
        for process in left:
            with contextlib.suppress(psutil.Error):
                told.append(process.cmdline())
        assert told == [], "processes were left"
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


def complaint(finished: Finished, code: int) -> str:
    """What a refused command said: a line or two on standard error, nothing on standard output, no traceback."""
    assert finished.code == code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert finished.stderr.startswith("leaklab: ")
    assert len(finished.stderr.splitlines()) in (1, 2), finished.stderr
    return finished.stderr
