"""The learners of a room, on scripted times: minutes, order, names, and folders that cannot be read.

What is shown is in tests/golden/progress.txt.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from leaklab.reports.document import progress_document, schema
from leaklab.reports.standings import progress_report
from leaklab.workshop.learners import Learner, Standing, read_learners
from leaklab.workshop.progress_file import STATE, Exercise, update
from tests.unit.golden import assert_golden, rendered, sections

NOW = datetime(2026, 5, 4, 10, 0, 30, tzinfo=UTC)
BODY, CURSOR, WAIT, ARRAY = "unclosed-body", "open-cursor", "unbounded-wait", "huge-array"


def ago(minutes: float) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


def exercise(
    scenario: str,
    started: float,
    solved: float | None = None,
    attempts: int = 0,
    hints: int = 0,
    own: str | None = None,
) -> Exercise:
    """Started and solved so many minutes ago."""
    when = None if solved is None else ago(solved)
    return Exercise(scenario=scenario, started=ago(started), attempts=attempts, hints=hints, solved=when, scenarios=own)


def folder(path: Path, *exercises: Exercise) -> Path:
    """A learner's folder, in which each exercise is in the file that `start` makes of it."""
    path.mkdir(parents=True)
    for one in exercises:
        update(path, f"{one.scenario.replace('-', '_')}.py", lambda _, one=one: one)  # type: ignore[misc] # bound now
    return path


def room(top: Path) -> list[Path]:
    """A room in which each has come to another point."""
    return [
        folder(top / "Ada", exercise(BODY, 40, 20, 3, 1), exercise(CURSOR, 19, 2, 4, 2)),
        folder(top / "Grace", exercise(BODY, 40, 30, 2), exercise(CURSOR, 29, None, 6, 3)),
        folder(top / "Ken", exercise(BODY, 35.5, None, 1)),
        folder(top / "Zoë", exercise(BODY, 40, 25), exercise(CURSOR, 24, 3), exercise(ARRAY, 3, None, 0)),
        folder(top / "Anna Maria", exercise(BODY, 40, 12.2, 1200, 3)),
        folder(top / "Both at once", exercise(BODY, 40), exercise(CURSOR, 39, 5), exercise("ours", 39, own="../ours")),
    ]


def read(*folders: Path) -> list[Learner]:
    learners, errors = read_learners(folders, NOW)
    assert errors == []
    return learners


def test_who_is_stuck_longest_comes_first_and_who_has_nothing_left_to_solve_comes_last(tmp_path: Path) -> None:
    stuck = [(one.who, one.stuck) for one in read(*room(tmp_path))]
    in_work = [("Ken", 35), ("Grace", 29), ("Both at once", 5), ("Zoë", 3)]
    assert stuck == [*in_work, ("Ada", None), ("Anna Maria", None)]


def test_of_equals_the_order_is_that_of_their_names(tmp_path: Path) -> None:
    same = [folder(tmp_path / name, exercise(BODY, 5)) for name in ("c", "a", "b")]
    assert [one.who for one in read(*same)] == ["a", "b", "c"]


def test_exercises_are_in_the_order_of_the_course_and_unknown_ones_last(tmp_path: Path) -> None:
    # Called as one of the course, but from a folder: it is another.
    mixed = [exercise(name, 9) for name in ("a-pack", ARRAY, CURSOR, BODY)]
    (one,) = read(folder(tmp_path / "x", *mixed, exercise("close-in-loop", 9, own="../ours")))
    names = ["unclosed_body.py", "open_cursor.py", "huge_array.py", "a_pack.py", "close_in_loop.py"]
    assert [standing.file for standing in one.standings] == names


@pytest.mark.parametrize(
    ("started", "solved", "minutes"),
    [
        (ago(12.99), None, 12),
        (ago(40), ago(15.5), 24),
        (ago(-3), None, 0),
        (ago(5), ago(6), 0),
        ("2026-05-04T09:00:30", None, 60),
        ("2026-05-04", None, 600),
        ("2026-05-04T12:00:30+02:00", None, 0),
        ("0001-01-01T00:00:00+14:00", None, 1_065_225_600),
    ],
)
def test_minutes_are_whole_and_count_from_the_start_to_the_solution_or_until_now(
    tmp_path: Path, started: str, solved: str | None, minutes: int
) -> None:
    (one,) = read(folder(tmp_path / "x", Exercise(scenario=BODY, started=started, solved=solved)))
    assert [standing.minutes for standing in one.standings] == [minutes]


def test_a_learner_is_called_as_the_folder_is_or_what_tells_it_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*given: str) -> list[str]:
        return sorted(one.who for one in read(*map(Path, given)))

    for name in ("ada/work", "ken/work", "a b", "x\n\x1b[2J"):
        folder(tmp_path / name, exercise(BODY, 1))
    (tmp_path / "link").symlink_to("a b")
    monkeypatch.chdir(tmp_path)
    assert names("a b/", "link", "x\n\x1b[2J") == ["a b", "link", "x��[2J"]
    assert names("ada/work", "ken/work/") == ["ada", "ken"]
    assert names("ada/work", "ken/work", "a b") == ["a b", "ada/work", "ken/work"]
    assert names("a b", "./a b/", str(tmp_path / "a b")) == ["a b"]
    monkeypatch.chdir(tmp_path / "a b")
    assert names(".") == ["a b"]
    assert names("../ada/work") == ["work"]


def test_a_folder_that_cannot_be_read_is_told_and_does_not_stop_the_others(tmp_path: Path) -> None:
    ada, broken, empty = (
        folder(tmp_path / "Ada", exercise(BODY, 1)),
        folder(tmp_path / "broken"),
        folder(tmp_path / "e"),
    )
    (broken / STATE).write_text("{")
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    bad = [broken, empty, *(tmp_path / name for name in ("file", "loop", "gone", "n" * 300))]
    learners, errors = read_learners([*bad, ada], NOW)
    assert [one.who for one in learners] == ["Ada"]
    assert [str(path) in str(error) for path, error in zip(bad, errors, strict=True)] == [True] * len(bad)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path: Path) -> None:
    closed = folder(tmp_path / "closed", exercise(BODY, 1))
    closed.chmod(0)
    try:
        learners, (error,) = read_learners([closed], NOW)
    finally:
        closed.chmod(0o700)
    assert learners == []
    assert "Permission denied" in str(error)


def test_the_reports_fit_80_columns(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    learners = read(*room(tmp_path / "room"))
    long = Learner("the long name of a folder [bold] of a learner", Path("x"), learners[0].standings, 1_234)
    figures = Exercise(scenario="x", started=ago(1), attempts=10**9, hints=10**9)
    wide = Learner("wide", Path("y"), tuple(Standing(f"exercise_{n}.py", figures, 10**9, n) for n in range(12)), 1)
    shown = {
        "one": rendered(progress_report(learners[2:3], several=False)),
        "a_room": rendered(progress_report([long, *learners], several=True)),
    }
    crowd = [Learner(f"learner {number}", Path("z"), wide.standings, 1) for number in range(30)]
    lines = [*"".join(shown.values()).splitlines(), *rendered(progress_report(crowd, several=True)).splitlines()]
    assert max(map(len, lines)) <= 80
    assert_golden("progress", sections(**shown))


def test_thirty_learners_of_the_course_have_a_line_each(tmp_path: Path) -> None:
    course = [exercise(one, 90, 60, 12, 3) for one in (BODY, "close-in-loop", CURSOR, WAIT, ARRAY)]
    (one,) = read(folder(tmp_path / "x", *course))
    crowd = [Learner(f"learner no {number:02}", Path("x"), one.standings, None) for number in range(30)]
    shown = rendered(progress_report(crowd, several=True)).splitlines()
    assert sum(line.startswith("learner no") for line in shown) == 30
    assert len(shown) < 40


def test_the_document_holds_every_learner_and_validates(tmp_path: Path) -> None:
    document = progress_document(read(*room(tmp_path)))
    jsonschema.Draft202012Validator(schema()).validate(document)
    grace = document["learners"][1]
    assert (grace["who"], grace["folder"], grace["stuck"]) == ("Grace", str(tmp_path / "Grace"), 29)
    solved, in_work = grace["exercises"]
    assert (solved["file"], solved["minutes"], solved["solved"]) == ("unclosed_body.py", 10, ago(30))
    assert (in_work["scenario"], in_work["attempts"], in_work["hints"], in_work["minutes"]) == (CURSOR, 6, 3, 29)
    assert in_work["solved"] is None
