"""Bad input of every kind is told in words, with the right exit code, and nothing else is changed by it."""

from __future__ import annotations

import functools
import signal
import stat
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import typer.main

from leaklab.workshop.progress_file import STATE
from tests.integration import bad_inputs
from tests.integration.bad_inputs import BROKEN_STATES, READERS, Kind
from tests.integration.conftest import COULD_NOT_MEASURE, PATIENCE_S, WRONG_USAGE, Command, Finished, Run

Found = dict[str, tuple[int, str | bytes]]

IN_THIS_PROCESS = {
    "counts": (*bad_inputs.STEPS, *bad_inputs.REPEAT),
    "limits and settings": (*bad_inputs.LIMIT, *bad_inputs.SET),
    "options and commands": (*bad_inputs.PAIRS, *bad_inputs.MONGO),
    "names of scenarios": bad_inputs.SCENARIO_NAMES,
    "learners' files": (*bad_inputs.FILES, *bad_inputs.ENCODINGS, *bad_inputs.SYNTAX, *bad_inputs.IMPORTS),
    "exercises": (*bad_inputs.NOT_RUN, *bad_inputs.BESIDE),
    "a full disk": bad_inputs.FULL,
    "targets": bad_inputs.TARGETS,
    "guesses": bad_inputs.GUESSES,
    "new scenarios": bad_inputs.NEW,
    "folders of scenarios": bad_inputs.SCENARIO_FOLDERS,
    "environments": bad_inputs.AROUND,
}
"""The kinds that cost next to nothing, by sort."""

IN_A_PROCESS = {"processes": bad_inputs.PROCESSES, "files that are run": bad_inputs.LEARNERS}
"""Those that need a process of their own."""


def cases(sorts: Iterable[Iterable[Kind]]) -> list[Any]:
    """The kinds as parameters."""
    return [pytest.param(kind, id=kind.id) for kinds in sorts for kind in kinds]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with the learner's, `here`, and what is none of theirs, `outside`."""
    for name in ("here", "outside"):
        (tmp_path / "top" / name).mkdir(parents=True)
    (tmp_path / "top" / "outside" / "theirs").write_text("theirs\n")
    return tmp_path / "top"


@pytest.fixture
def once_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line is made of its functions once, and not for each of a thousand commands."""
    monkeypatch.setattr(typer.main, "get_command", made_command)


made_command = functools.cache(typer.main.get_command)


@pytest.fixture
def ended() -> Iterator[None]:
    """Fail instead of waiting for ever, also where the system is what waits."""

    def fail(_number: int, _frame: FrameType | None) -> None:
        pytest.fail(f"it did not end within {PATIENCE_S:.0f} s")

    main_thread = threading.get_ident()
    before = signal.signal(signal.SIGUSR2, fail)
    timer = threading.Timer(PATIENCE_S, signal.pthread_kill, (main_thread, signal.SIGUSR2))
    timer.start()
    yield
    timer.cancel()
    timer.join()
    signal.signal(signal.SIGUSR2, before)


def found_in(folder: Path) -> Found:
    """What there is in a folder, by path: its kind, and its bytes or where it leads. Nothing is waited for."""
    found: Found = {}
    for path in sorted(folder.rglob("*")):
        kind = stat.S_IFMT(path.lstat().st_mode)
        content: str | bytes = b""
        if kind == stat.S_IFLNK:
            content = str(path.readlink())
        elif kind == stat.S_IFREG:
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = kind, content
    return found


def unlike(before: Found, after: Found, new: Iterable[str] = ()) -> list[str]:
    """The paths that are not as they were, but for those that may be."""
    may_be = {f"here/{name}" for name in new}
    return sorted(path for path in {*before, *after} - may_be if before.get(path) != after.get(path))


def see(kind: Kind, finished: Finished) -> None:
    """What is said of a kind of bad input is as it must be."""
    said = finished.stdout + finished.stderr
    assert finished.code == kind.code, said
    assert "Traceback" not in said
    assert "defect of leaklab" not in said
    in_a_line = " ".join(said.split())
    assert [words for words in kind.words if words not in in_a_line] == [], said
    assert [words for words in kind.unsaid if words in said] == []
    assert [char for char in said if not char.isprintable() and char not in "\n\t"] == []
    if kind.code in (WRONG_USAGE, COULD_NOT_MEASURE) and kind.words:
        assert bool(finished.stdout) == bool(kind.shown), finished.stdout
        assert kind.shown in finished.stdout
        assert len(finished.stderr.splitlines()) == 1, finished.stderr


def refuse(kind: Kind, main: Run, top: Path) -> None:
    """Run the command of a kind in this process; nothing is changed but what may be."""
    before = found_in(top)
    with kind.around(top / "here"):
        finished = main(*kind.typed)
    assert unlike(before, found_in(top), kind.new) == []
    see(kind, finished)


@pytest.mark.usefixtures("ended", "once_made")
@pytest.mark.parametrize("kind", cases(IN_THIS_PROCESS.values()))
def test_bad_input_is_told_in_words_and_changes_nothing(
    main: Run, top: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.chdir(top / "here")
    # Wide, so that no sentence is broken: what is looked for is found.
    for name, value in {"COLUMNS": "400", **kind.env}.items():
        monkeypatch.setenv(name, value)
    kind.make(top / "here")
    refuse(kind, main, top)


@pytest.mark.usefixtures("ended", "once_made")
@pytest.mark.parametrize("what", BROKEN_STATES)
def test_a_progress_file_that_is_none_is_told_by_every_command_and_kept(
    main: Run, top: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(top / "here")
    make, words = BROKEN_STATES[what]
    make(top / "here")
    for typed in READERS:
        refuse(Kind(what, typed, (STATE, words)), main, top)


@pytest.mark.parametrize("kind", cases(IN_A_PROCESS.values()))
def test_bad_input_to_a_process_of_its_own_is_told_in_words_and_changes_nothing(
    leaklab: Command, top: Path, kind: Kind
) -> None:
    kind.make(top / "here")
    before = found_in(top)
    started = replace(leaklab, start_with=("/bin/sh", "-c", kind.through, "sh", *leaklab.start_with), cwd=top / "here")
    finished = started.start(*kind.typed, env={"COLUMNS": "400", "HOME": str(top / "here"), **kind.env}).finish()
    assert unlike(before, found_in(top), kind.new) == []
    see(kind, finished)


def test_there_are_many_kinds_and_each_is_named_once() -> None:
    kinds = [kind.id for sorts in (IN_THIS_PROCESS, IN_A_PROCESS) for kinds in sorts.values() for kind in kinds]
    assert [name for name, times in Counter(kinds).items() if times > 1] == []
    assert len(kinds) + len(BROKEN_STATES) >= 250
