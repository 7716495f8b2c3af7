"""Exercises and their progress file: what is written, found, counted and put back, and what a crash leaves."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leaklab.content.catalog import Catalog, Entry
from leaklab.errors import UsageError
from leaklab.workshop import exercises as workshop
from leaklab.workshop.exercises import STATE, Exercise, LocatedExercise, ProgressFileError

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
BUILT_IN = Catalog().select([])


def entry(name: str = "unclosed-body") -> Entry:
    return Catalog().get(name)


def started(folder: Path, name: str = "unclosed-body") -> LocatedExercise:
    path, _ = workshop.start(entry(name), folder, NOW)
    return workshop.find(path)


def state(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    return document


# ---- start


@pytest.mark.parametrize("scenario", BUILT_IN, ids=lambda entry: entry.id)
def test_an_exercise_is_the_leaky_half_word_for_word_below_its_task(scenario: Entry) -> None:
    text = workshop.exercise_text(scenario)
    assert text.endswith("\n\n" + scenario.source("leaky"))
    task = ast.get_docstring(ast.parse(text))
    assert task is not None
    assert scenario.scenario.title in task
    assert " ".join(scenario.scenario.leaks.split()) in " ".join(task.split())
    assert f"leaklab check {workshop.file_name(scenario)}" in task
    assert text.isascii()


def test_the_task_says_what_the_services_must_be_asked() -> None:
    assert "50 x profiles in 50 steps" in " ".join(workshop.task_text(entry()).split())


def test_a_leaky_half_with_a_docstring_of_its_own_keeps_it_as_its_first_statement(tmp_path: Path) -> None:
    folder = tmp_path / "quoted"
    folder.mkdir()
    leaky = '"""A half."""\nfrom __future__ import annotations\n\n\ndef run(jobs):\n    return list(jobs)\n'
    (folder / "leaky.py").write_text(leaky)
    (folder / "fixed.py").write_text(leaky)
    (folder / "lesson.md").write_text("# Quoted\n\n> Why.\n")
    (folder / "scenario.py").write_text(
        "from leaklab.content.declaration import LEAKS_NOTHING, Scenario\n"
        'SCENARIO = Scenario(title="A \\"\\"\\" title", leaks="x", summary="y", workload=lambda lab: {},\n'
        '    expected={"leaky": LEAKS_NOTHING, "fixed": LEAKS_NOTHING}, telling=("open_fds",))\n'
    )
    text = workshop.exercise_text(Entry(folder))
    assert text.endswith(leaky)
    assert text.startswith("# ")
    compile(text, "exercise.py", "exec")


def test_starting_never_overwrites(tmp_path: Path) -> None:
    found = started(tmp_path)
    found.file.write_text("mine\n")
    with pytest.raises(UsageError, match="already: nothing was written"):
        workshop.start(entry(), tmp_path, NOW)
    assert found.file.read_text() == "mine\n"


def test_a_lost_progress_file_is_made_again_and_the_exercise_stays(tmp_path: Path) -> None:
    found = started(tmp_path)
    found.file.write_text("mine\n")
    (tmp_path / STATE).unlink()
    path, written = workshop.start(entry(), tmp_path, NOW)
    assert (path, written) == (found.file, False)
    assert path.read_text() == "mine\n"
    assert workshop.load(tmp_path)[path.name].scenario == "unclosed-body"


def test_the_progress_file_can_be_read_and_names_no_place_outside_its_folder(tmp_path: Path) -> None:
    started(tmp_path / "deep" / "down")
    text = (tmp_path / "deep" / "down" / STATE).read_text()
    assert str(tmp_path) not in text
    assert text.count("\n") > 8, "it is printed over several lines"


def test_the_state_travels_with_the_folder(tmp_path: Path) -> None:
    started(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    found = workshop.find(tmp_path / "there")
    assert found.file == tmp_path / "there" / "unclosed_body.py"
    assert found.exercise is not None


def test_a_folder_of_scenarios_is_kept_relative_to_the_exercises(tmp_path: Path) -> None:
    workshop.start(entry(), tmp_path / "exercises", NOW, tmp_path / "ours")
    found = workshop.find(tmp_path / "exercises")
    assert found.exercise is not None
    assert found.exercise.scenarios == os.path.join("..", "ours")  # noqa: PTH118 # as relpath writes it
    assert found.scenarios is not None
    assert found.scenarios.resolve() == (tmp_path / "ours").resolve()


# ---- finding


def test_a_file_may_be_left_out_where_there_is_one_exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert workshop.find(None).file == Path("unclosed_body.py")
    workshop.start(entry("huge-array"), tmp_path, NOW)
    with pytest.raises(UsageError, match=r"which exercise\? In this folder there are huge_array.py, unclosed_body.py"):
        workshop.find(None)


def test_without_an_exercise_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leaklab start NAME"):
        workshop.find(tmp_path)


@pytest.mark.parametrize("said", ["unclosed-body", "unclosed_bdy.py", "unclosed_body"])
def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path, said: str) -> None:
    started(tmp_path)
    with pytest.raises(UsageError, match=r"did you mean .*unclosed_body\.py\?"):
        workshop.find(tmp_path / said)


# ---- attempts, hints, reset


def test_attempts_are_counted_and_the_first_success_is_dated(tmp_path: Path) -> None:
    found = started(tmp_path)
    later = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
    first = workshop.record_attempt(found, NOW, fixed=False)
    assert first is not None
    assert (first.attempts, first.solved) == (1, None)
    solved = workshop.record_attempt(found, NOW, fixed=True)
    again = workshop.record_attempt(found, later, fixed=True)
    broken_again = workshop.record_attempt(found, later, fixed=False)
    assert solved is not None
    assert again is not None
    assert broken_again is not None
    assert solved.solved is not None
    assert datetime.fromisoformat(solved.solved) == NOW
    assert (again.solved, broken_again.solved, broken_again.attempts) == (solved.solved, solved.solved, 4)


def test_hints_come_one_at_a_time_and_stop_at_the_last(tmp_path: Path) -> None:
    found = started(tmp_path)
    hints = entry().scenario.hints
    assert [workshop.next_hint(found, hints) for _ in range(5)] == [1, 2, 3, 3, 3]
    assert state(tmp_path)["exercises"]["unclosed_body.py"]["hints"] == 3


@pytest.mark.parametrize("scenario", BUILT_IN, ids=lambda entry: entry.id)
def test_every_scenario_has_three_hints_and_none_gives_the_code_away(scenario: Entry) -> None:
    hints = scenario.scenario.hints
    assert len(hints) == len(set(hints)) == 3
    leaky, fixed = scenario.source("leaky").splitlines(), scenario.source("fixed").splitlines()
    for line in set(fixed) - set(leaky):
        if len(line.split()) > 2:
            assert not any(line.strip() in hint for hint in hints)


def test_a_scenario_without_hints_says_where_to_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leaklab show unclosed-body"):
        workshop.next_hint(started(tmp_path), ())


def test_reset_keeps_what_was_there_and_every_earlier_copy(tmp_path: Path) -> None:
    found = started(tmp_path)
    kept = []
    for text in ("first\n", "second\n"):
        found.file.write_text(text)
        kept.append(workshop.reset(found, entry(), NOW))
    assert [path.read_text() for path in kept if path is not None] == ["first\n", "second\n"]
    assert found.file.read_text() == workshop.exercise_text(entry())
    assert workshop.load(tmp_path)["unclosed_body.py"].attempts == 0


def test_reset_puts_a_file_back_that_is_gone(tmp_path: Path) -> None:
    found = started(tmp_path)
    found.file.unlink()
    assert workshop.reset(found, entry(), NOW) is None
    assert found.file.read_text() == workshop.exercise_text(entry())


# ---- the progress file, when things go wrong


def test_a_crash_before_the_new_file_is_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = started(tmp_path)
    before = (tmp_path / STATE).read_bytes()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    for where, step in ((os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as patched:
            patched.setattr(where, step, crash)
            with pytest.raises(KeyboardInterrupt):
                workshop.record_attempt(found, NOW, fixed=True)
        assert (tmp_path / STATE).read_bytes() == before
        assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, "unclosed_body.py"]


def test_a_process_killed_while_it_writes_without_end_leaves_a_whole_file(tmp_path: Path) -> None:
    started(tmp_path)
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from leaklab.workshop import exercises as workshop\n"
        "found = workshop.find(Path(sys.argv[1]))\n"
        "while True: workshop.record_attempt(found, datetime.now(UTC), fixed=False)\n"
    )
    attempts = 0
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
        until = time.monotonic() + 60
        # Killed at some moment of a write, once it is known to write.
        while workshop.load(tmp_path)["unclosed_body.py"].attempts < attempts + 3 and time.monotonic() < until:
            time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = workshop.load(tmp_path)["unclosed_body.py"].attempts
        assert now >= attempts + 3
        attempts = now
    assert workshop.record_attempt(workshop.find(tmp_path), NOW, fixed=False) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE, "unclosed_body.py"]


def test_attempts_counted_by_two_processes_at_once_are_all_counted(tmp_path: Path) -> None:
    started(tmp_path)
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from leaklab.workshop import exercises as workshop\n"
        "found = workshop.find(Path(sys.argv[1]))\n"
        "for _ in range(25): workshop.record_attempt(found, datetime.now(UTC), fixed=False)\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert workshop.load(tmp_path)["unclosed_body.py"].attempts == 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON, line 1"),
        ('{"schema": 1,\n "exercises": {"a', "no JSON, line 2"),
        ("[]", 'no "exercises"'),
        ('{"schema": 2, "exercises": {}}', "this leaklab knows 1"),
        ('{"schema": 1, "exercises": {"a.py": []}}', "no object"),
        ('{"schema": 1, "exercises": {"a.py": {"scenario": "x"}}}', "no 'started'"),
        ('{"schema": 1, "exercises": {"a.py": {"scenario": 3, "started": ""}}}', "cannot be 3"),
        ('{"schema": 1, "exercises": {"a.py": {"scenario": "x", "started": "", "attempts": -1}}}', "cannot be -1"),
        ('{"schema": 1, "exercises": {"a.py": {"scenario": "x", "started": "", "attempts": true}}}', "cannot be True"),
        ('{"schema": 1, "exercises": {"a.py": {"scenario": "x", "started": "", "stars": 5}}}', "'stars'"),
        ('{"schema": 1, "exercises": {"../a.py": {"scenario": "x", "started": ""}}}', "no name of a file"),
        ("[" * 100_000, "no JSON"),
        ("\xff", "no UTF-8"),
    ],
)
def test_a_broken_progress_file_is_told_with_the_remedy_and_stays_as_it_is(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "unclosed_body.py").write_text("mine\n")
    data = text.encode("latin-1")
    (tmp_path / STATE).write_bytes(data)
    for attempt in (
        lambda: workshop.find(tmp_path),
        lambda: workshop.start(entry(), tmp_path, NOW),
        lambda: workshop.update(tmp_path, "b.py", lambda _: Exercise(scenario="x", started="")),
    ):
        with pytest.raises(ProgressFileError) as raised:
            attempt()
        assert words in str(raised.value)
        assert "move it away and run `leaklab start`" in str(raised.value)
    assert (tmp_path / STATE).read_bytes() == data
    assert (tmp_path / "unclosed_body.py").read_text() == "mine\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    found = started(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ProgressFileError, match="cannot be written"):
            workshop.record_attempt(found, NOW, fixed=False)
    finally:
        tmp_path.chmod(0o700)
