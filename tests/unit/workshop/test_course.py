"""The course: which exercise of a folder comes next, and in which order they are listed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from leaklab.content.catalog import Catalog
from leaklab.content.languages import GO
from leaklab.errors import UsageError
from leaklab.workshop.course import in_order, next_exercise, open_next
from leaklab.workshop.exercises import start
from leaklab.workshop.progress_file import Exercise, load, update

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
COURSE = Catalog().select([])
BEGUN = Exercise(scenario="", started=NOW.isoformat())
SOLVED = msgspec.structs.replace(BEGUN, solved=NOW.isoformat())


def known(**exercises: Exercise) -> dict[str, Exercise]:
    """Exercises by file name, each of the scenario of its name."""
    return {
        f"{name}.py": msgspec.structs.replace(one, scenario=name.replace("_", "-")) for name, one in exercises.items()
    }


@pytest.mark.parametrize(
    ("exercises", "name", "started"),
    [
        ({}, "unclosed_body.py", False),
        (known(unclosed_body=BEGUN), "unclosed_body.py", True),
        (known(unclosed_body=SOLVED), "close_in_loop.py", False),
        (known(close_in_loop=SOLVED), "unclosed_body.py", False),
        (known(huge_array=BEGUN), "huge_array.py", True),
        (known(huge_array=BEGUN, open_cursor=BEGUN, unclosed_body=SOLVED), "open_cursor.py", True),
        (known(of_another_course=BEGUN, unclosed_body=SOLVED), "close_in_loop.py", False),
    ],
    ids=["none", "begun", "solved", "not in order", "a later one begun", "two begun", "of another course"],
)
def test_what_was_begun_comes_first_then_the_first_that_is_not_solved(
    exercises: Mapping[str, Exercise], name: str, started: bool
) -> None:
    ahead = next_exercise(COURSE, exercises)
    assert ahead is not None
    assert (ahead.name, ahead.started) == (name, started)
    assert (ahead.place, ahead.length) == ([entry.id for entry in COURSE].index(ahead.entry.id) + 1, len(COURSE))


def test_nothing_comes_after_the_last(tmp_path: Path) -> None:
    solved = known(**{entry.folder.name: SOLVED for entry in COURSE})
    assert next_exercise(COURSE, solved) is None
    for name, exercise in solved.items():
        update(tmp_path, name, Mock(return_value=exercise))
    assert open_next(COURSE, tmp_path, NOW) is None


def test_the_next_one_is_started_once_and_again_if_its_file_is_gone(tmp_path: Path) -> None:
    written = []
    for gone in (False, False, True):
        if gone:
            (tmp_path / "unclosed_body.py").unlink()
        opened = open_next(COURSE, tmp_path, NOW)
        assert opened is not None
        assert (tmp_path / opened[0].name).is_file()
        written.append(opened[1])
    assert written == [True, False, True]
    assert [*load(tmp_path)] == ["unclosed_body.py"]


def test_exercises_are_listed_in_the_order_of_the_course() -> None:
    listed = in_order(COURSE, known(zoo=BEGUN, huge_array=BEGUN, open_cursor=SOLVED, ant=BEGUN))
    assert listed == ["open_cursor.py", "huge_array.py", "ant.py", "zoo.py"]


def test_exercises_in_another_language_are_another_course() -> None:
    in_go = Catalog().select([], GO)
    begun = {"open_cursor.py": msgspec.structs.replace(BEGUN, scenario="open-cursor")}
    solved = {"unclosed_body.go": msgspec.structs.replace(SOLVED, scenario="unclosed-body")}
    ahead = next_exercise(in_go, begun | solved)
    assert ahead is not None
    assert (ahead.name, ahead.started, ahead.place) == ("close_in_loop.go", False, 2)
    ahead = next_exercise(COURSE, begun | solved)
    assert ahead is not None
    assert (ahead.name, ahead.started) == ("open_cursor.py", True)


def test_where_nothing_leaks_there_is_no_exercise(tmp_path: Path) -> None:
    others = {entry.id for entry in Catalog().select([], GO) if entry.is_exercise}
    assert "redirect-failure" not in others
    assert {"unclosed-body", "late-sender"} <= others
    with pytest.raises(
        UsageError, match=r"^redirect-failure is no exercise in Go: nothing leaks there\. `leaklab show"
    ):
        start(Catalog().get("redirect-failure", GO), tmp_path, NOW)
    assert not any(tmp_path.iterdir())
