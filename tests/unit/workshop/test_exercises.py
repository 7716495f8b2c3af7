"""Exercises and their progress file: what is written, found, counted and restored, and what a crash leaves.

Their sentences are in tests/golden/exercise_errors.txt and task.txt.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from leaklab.content.catalog import Catalog, Entry
from leaklab.content.languages import GO
from leaklab.errors import LeaklabError, UsageError
from leaklab.reports.check_report import below_the_task
from leaklab.workshop import exercises as workshop
from leaklab.workshop.exercises import (
    LocatedExercise,
    evidence_for,
    exercise_text,
    find,
    next_hint,
    note_evidence,
    record_attempt,
    reset,
    start,
)
from leaklab.workshop.progress_file import STATE, EvidenceNote, Exercise, ProgressFileError, digest, load, update
from tests.unit.golden import assert_golden, sections

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BUILT_IN = Catalog().select([])
ENTRY = Catalog().get("unclosed-body")
FILE = "unclosed_body.py"
NEW = Exercise(scenario="x", started="2026-01-02T03:04:05+00:00")


def started(folder: Path, entry: Entry = ENTRY) -> LocatedExercise:
    path, _ = start(entry, folder, NOW)
    return find(path)


def error_of(call: Callable[[], object], folder: Path) -> str:
    """The message of the error that a call raises, without the folder's path."""
    with pytest.raises(LeaklabError) as raised:
        call()
    return str(raised.value).replace(f"{folder}{os.sep}", "").replace(str(folder), "DIR")


# ---- start


@pytest.mark.parametrize("scenario", BUILT_IN, ids=lambda entry: entry.id)
def test_an_exercise_is_the_leaky_half_verbatim_below_its_task(scenario: Entry) -> None:
    text = exercise_text(scenario)
    assert text.endswith("\n\n" + scenario.source("leaky"))
    assert text.isascii()
    task = ast.get_docstring(ast.parse(text))
    assert task is not None
    assert scenario.scenario.title in task
    assert " ".join(scenario.scenario.leaks.split()) in " ".join(task.split())
    assert f"leaklab check {workshop.file_name(scenario)}" in task


SCENARIO = """
from leaklab.scenario import LEAKS_NOTHING, Scenario
SCENARIO = Scenario(
    title='A \"\"\" title', leaks="a socket per request", summary="nothing closes the body",
    services=("http",), workload=lambda lab: {}, requests=lambda settings: {"profiles": 50}, hints=("one", "two"),
    expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING}, telling=("open_sockets", "connections_opened"),
    task="The function run may also raise an error.",
)
"""


def test_a_leaky_half_with_its_own_docstring_keeps_it_as_its_first_statement(tmp_path: Path) -> None:
    folder = tmp_path / "quoted"
    folder.mkdir()
    leaky = '"""A half."""\nfrom __future__ import annotations\n\n\ndef run(jobs):\n    return list(jobs)\n'
    files = {"leaky.py": leaky, "fixed.py": leaky, "lesson.md": "# Q\n\n> Why.\n", "scenario.py": SCENARIO}
    for name, text in files.items():
        (folder / name).write_text(text)
    text = exercise_text(Entry(folder))
    assert text.endswith(leaky)
    assert text.startswith("# ")
    compile(text, "exercise.py", "exec")
    assert_golden("task", workshop.task_text(Entry(folder)))


def test_a_lost_progress_file_is_restored_and_the_exercise_is_kept(tmp_path: Path) -> None:
    found = started(tmp_path)
    found.file.write_text("mine\n")
    (tmp_path / STATE).unlink()
    assert start(ENTRY, tmp_path, NOW) == (found.file, False)
    assert found.file.read_text() == "mine\n"
    assert load(tmp_path)[FILE].scenario == "unclosed-body"


def test_the_progress_file_is_readable_and_moves_with_its_folder(tmp_path: Path) -> None:
    started(tmp_path / "deep" / "here")
    text = (tmp_path / "deep" / "here" / STATE).read_text()
    assert str(tmp_path) not in text
    assert text.count("\n") > 8, "it is printed over several lines"
    (tmp_path / "deep" / "here").rename(tmp_path / "there")
    found = find(tmp_path / "there")
    assert found.file == tmp_path / "there" / FILE
    assert found.exercise is not None


def test_a_folder_of_scenarios_is_stored_relative_to_the_exercises(tmp_path: Path) -> None:
    start(ENTRY, tmp_path / "exercises", NOW, tmp_path / "ours")
    found = find(tmp_path / "exercises")
    assert found.exercise is not None
    assert found.exercise.scenarios == os.path.join("..", "ours")  # noqa: PTH118 # as relpath writes it
    assert found.scenarios is not None
    assert found.scenarios.resolve() == (tmp_path / "ours").resolve()


# ---- finding


def test_the_file_can_be_left_out_if_there_is_one_exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert find(None).file == Path(FILE)


@pytest.mark.parametrize("name", ["unclosed-body", "unclosed_bdy.py", "unclosed_body"])
def test_for_a_misspelled_name_the_closest_is_suggested(tmp_path: Path, name: str) -> None:
    started(tmp_path)
    with pytest.raises(UsageError, match=r"unclosed_body\.py\?"):
        find(tmp_path / name)


# ---- attempts, hints, reset


def test_attempts_are_counted_and_the_first_success_is_dated(tmp_path: Path) -> None:
    found = started(tmp_path)
    later = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
    solved = NOW.astimezone().isoformat()
    attempts = ((NOW, False, None), (NOW, True, solved), (later, True, solved), (later, False, solved))
    for number, (now, fixed, dated) in enumerate(attempts, 1):
        exercise = record_attempt(found, now, fixed=fixed)
        assert exercise is not None
        assert (exercise.attempts, exercise.solved) == (min(number, 2), dated)
    assert record_attempt(LocatedExercise(found.file, None), NOW, fixed=True) is None


def test_hints_come_one_at_a_time_and_stop_at_the_last(tmp_path: Path) -> None:
    found = started(tmp_path)
    told = [next_hint(found, ENTRY.scenario.hints) for _ in range(5)]
    assert [(exercise.hints, asked) for exercise, asked in told] == [(1, 1), (2, 2), (3, 3), (3, 4), (3, 4)]
    assert json.loads((tmp_path / STATE).read_text())["exercises"][FILE]["hints"] == 3


@pytest.mark.parametrize("scenario", BUILT_IN, ids=lambda entry: entry.id)
def test_every_scenario_has_three_hints_and_none_gives_the_code_away(scenario: Entry) -> None:
    hints = scenario.scenario.hints
    assert len(hints) == len(set(hints)) == 3
    for line in set(scenario.source("fixed").splitlines()) - set(scenario.source("leaky").splitlines()):
        assert len(line.split()) <= 2 or not any(line.strip() in hint for hint in hints)


def test_evidence_is_told_for_the_content_that_was_checked_and_for_no_other(tmp_path: Path) -> None:
    found = started(tmp_path)
    note = EvidenceNote(digest(b"checked"), "line 3 opened what is left: x")
    exercise = note_evidence(found, note)
    assert exercise == load(tmp_path)[FILE]
    assert [evidence_for(exercise, content) for content in (b"checked", b"edited")] == [note.words, ""]
    assert note_evidence(LocatedExercise(found.file, None), note) is None
    reset(found, ENTRY, NOW)
    assert load(tmp_path)[FILE].evidence is None


def test_a_progress_file_of_the_form_before_is_read(tmp_path: Path) -> None:
    known = {"scenario": "x", "started": NEW.started, "attempts": 2, "hints": 0, "solved": None, "scenarios": None}
    (tmp_path / STATE).write_text(json.dumps({"schema": 1, "exercises": {"a.py": known}}))
    assert load(tmp_path)["a.py"].attempts == 2


def test_reset_backs_up_each_earlier_file_and_starts_over(tmp_path: Path) -> None:
    found = started(tmp_path)
    backups: list[Path | None] = []
    for text in ("first\n", "second\n", None):
        found.file.unlink() if text is None else found.file.write_text(text)
        backups.append(reset(found, ENTRY, NOW))
        assert found.file.read_text() == exercise_text(ENTRY)
    assert [None if path is None else path.read_text() for path in backups] == ["first\n", "second\n", None]
    assert load(tmp_path)[FILE].attempts == 0


# ---- what goes wrong


BROKEN = {
    "empty": "",
    "cut off": '{"schema": 1,\n "exercises": {"a',
    "a list": "[]",
    "another schema": '{"schema": 3, "exercises": {}}',
    "an old schema": '{"schema": 0, "exercises": {}}',
    "evidence of another kind": '{"schema": 2, "exercises": {"a.py": {"scenario": "", "started": "", "evidence": 3}}}',
    "no object": '{"schema": 1, "exercises": {"a.py": []}}',
    "a key missing": '{"schema": 1, "exercises": {"a.py": {"scenario": "x"}}}',
    "another type": '{"schema": 1, "exercises": {"a.py": {"scenario": 3, "started": ""}}}',
    "below zero": '{"schema": 1, "exercises": {"a.py": {"scenario": "x", "started": "", "attempts": -1}}}',
    "a bool": '{"schema": 1, "exercises": {"a.py": {"scenario": "x", "started": "", "attempts": true}}}',
    "a key too many": '{"schema": 1, "exercises": {"a.py": {"scenario": "x", "started": "", "stars": 5}}}',
    "outside the folder": '{"schema": 1, "exercises": {"../a.py": {"scenario": "x", "started": ""}}}',
    "too deep": "[" * 100_000,
    "not UTF-8": "\xff",
}


def test_the_sentences_of_errors(tmp_path: Path) -> None:
    errors = {"no exercises": error_of(lambda: find(tmp_path), tmp_path)}
    errors["no folder"] = error_of(lambda: workshop.known_exercises(tmp_path / "x"), tmp_path)
    found = started(tmp_path)
    errors["no such file"] = error_of(lambda: find(tmp_path / "other.py"), tmp_path)
    errors["a similar file"] = error_of(lambda: find(tmp_path / "unclosed_bdy.py"), tmp_path)
    errors["no hints"] = error_of(lambda: next_hint(found, ()), tmp_path)
    errors["not an exercise"] = error_of(lambda: reset(LocatedExercise(tmp_path / "x.py", None), ENTRY, NOW), tmp_path)
    found.file.write_text("mine\n")
    errors["started already"] = error_of(lambda: start(ENTRY, tmp_path, NOW), tmp_path)
    assert found.file.read_text() == "mine\n"
    started(tmp_path, BUILT_IN[0] if BUILT_IN[0].id != ENTRY.id else BUILT_IN[1])
    errors["several exercises"] = error_of(lambda: find(tmp_path), tmp_path)
    assert find(tmp_path, min).file.name == min(load(tmp_path))
    for name, text in BROKEN.items():
        data = text.encode("latin-1")
        (tmp_path / STATE).write_bytes(data)
        errors[f"progress file: {name}"] = error_of(lambda: find(tmp_path), tmp_path)
        assert errors[f"progress file: {name}"] == error_of(lambda: start(ENTRY, tmp_path, NOW), tmp_path)
        assert errors[f"progress file: {name}"] == error_of(lambda: update(tmp_path, "b.py", lambda _: NEW), tmp_path)
        assert (tmp_path / STATE).read_bytes() == data
        assert found.file.read_text() == "mine\n"
    del errors["progress file: too deep"]  # each Python has its own words for it
    assert_golden("exercise_errors", sections(**errors))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_is_read_only_is_an_error(tmp_path: Path) -> None:
    found = started(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ProgressFileError):
            record_attempt(found, NOW, fixed=False)
    finally:
        tmp_path.chmod(0o700)


# ---- crashes and several processes

ATTEMPTS = (
    "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
    "from leaklab.workshop.exercises import find, record_attempt\n"
    "found = find(Path(sys.argv[1]))\n"
    "for _ in range(int(sys.argv[2])): record_attempt(found, datetime.now(UTC), fixed=False)\n"
)


def attempting(folder: Path, attempts: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", ATTEMPTS, str(folder), str(attempts)])


@pytest.mark.parametrize(("where", "step"), [(os, "fsync"), (Path, "replace")])
def test_a_crash_before_the_new_file_is_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, step: str
) -> None:
    found = started(tmp_path)
    before = (tmp_path / STATE).read_bytes()
    monkeypatch.setattr(where, step, Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        record_attempt(found, NOW, fixed=True)
    assert (tmp_path / STATE).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, FILE]


def test_a_process_that_is_killed_while_it_writes_leaves_a_whole_file(tmp_path: Path) -> None:
    started(tmp_path)
    attempts = 0
    for _ in range(5):
        process = attempting(tmp_path, 10**9)
        until = time.monotonic() + 60
        # Killed at some moment of a write, once it is known to write.
        while load(tmp_path)[FILE].attempts < attempts + 3 and time.monotonic() < until:
            time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = load(tmp_path)[FILE].attempts
        assert now >= attempts + 3
        attempts = now
    assert record_attempt(find(tmp_path), NOW, fixed=False) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, FILE]


def test_the_attempts_of_two_processes_are_all_counted(tmp_path: Path) -> None:
    started(tmp_path)
    both = [attempting(tmp_path, 25) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert load(tmp_path)[FILE].attempts == 50


# ---- in Go


def test_an_exercise_in_go_is_the_leaky_half_below_its_task_as_a_comment(tmp_path: Path) -> None:
    entry = Catalog().get("unclosed-body", GO)
    found = started(tmp_path, entry)
    text = found.file.read_text(encoding="utf-8")
    task, _, below = text.partition("\n\n")
    assert found.file.name == "unclosed_body.go"
    assert all(line.startswith("//") for line in task.splitlines())
    assert "Keep Run(), its arguments" in " ".join(task.replace("//", "").split())
    assert below == entry.source("leaky")
    assert below_the_task(text) == (len(task.splitlines()) + 1, below.splitlines())


def test_an_exercise_in_go_is_found_by_a_name_that_is_nearly_its_own(tmp_path: Path) -> None:
    started(tmp_path, Catalog().get("unclosed-body", GO))
    with pytest.raises(UsageError, match=r"did you mean .*unclosed_body\.go\?$"):
        find(tmp_path / "unclosed-bodies.go")
