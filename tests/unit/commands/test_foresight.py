"""What is started for a command line before it is parsed: only what is plain to see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from leaklab.commands import foresight
from leaklab.content.built_in import built_in_folder
from leaklab.lab import ahead

NOTHING: tuple[list[str], object] = ([], None)
TWICE = ["unclosed_body/leaky", "unclosed_body/fixed", "unclosed_body/leaky"]
ONCE = ["unclosed_body/leaky", "unclosed_body/fixed"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Says which halves would be started for some arguments, and what a learner's worker would import."""
    monkeypatch.chdir(tmp_path)
    exercises = {
        "mine.py": {"scenario": "unclosed-body", "started": "2026-01-01T00:00:00+00:00"},
        "theirs.py": {"scenario": "ant-hill", "started": "2026-01-01T00:00:00+00:00", "scenarios": "pack"},
    }
    (tmp_path / "leaklab-progress.json").write_text(json.dumps({"schema": 2, "exercises": exercises}))

    def paths_of(names: Sequence[str]) -> list[Path]:
        return [built_in_folder() / f"{name}.py" for name in names]

    def start(*arguments: str) -> tuple[list[str], object]:
        found: list[Any] = [[], None]

        def note_paths(paths: Sequence[Path]) -> None:
            found[0] = [str(path.relative_to(built_in_folder()).with_suffix("")) for path in paths]

        def note_modules(kinds: Sequence[str], paths: Sequence[Path], modules: Sequence[str] | None) -> None:
            assert kinds == ("http",)
            note_paths([*paths_of(found[0]), *paths])
            found[1] = modules

        monkeypatch.setattr(ahead, "start", note_paths)
        monkeypatch.setattr(ahead, "expect", note_modules)
        foresight.start(arguments)
        return found[0], found[1]

    return start


@pytest.mark.parametrize(
    "arguments",
    ["run unclosed-body", "run --json unclosed_body --steps 9", "run --format json unclosed-body --no-explain --all"],
)
def test_a_plain_run_has_its_halves_started_and_the_leaky_one_twice(started: Any, arguments: str) -> None:
    assert started(*arguments.split()) == (TWICE, None)


@pytest.mark.parametrize("command", ["check", "watch"])
@pytest.mark.parametrize("arguments", ["mine.py", "other.py --scenario unclosed-body"])
def test_a_plain_check_has_the_scenarios_halves_started_and_a_worker_that_imports_what_they_do(
    started: Any, command: str, arguments: str
) -> None:
    """The learner's file itself is only run once it is known that it may be."""
    assert started(command, *arguments.split()) == (ONCE, ("collections", "requests"))


def test_what_a_file_of_the_learners_folder_takes_the_place_of_is_not_imported(started: Any, tmp_path: Path) -> None:
    (tmp_path / "requests.py").write_text("")
    assert started("check", "mine.py") == (ONCE, ("collections",))


@pytest.mark.parametrize(
    "arguments",
    [
        "run",
        "run nope",
        "run ../unclosed-body",
        "run unclosed-body open-cursor",
        "run unclosed-body --limit fds=64",
        "run unclosed-body --mongo mongodb://127.0.0.1:9",
        "run unclosed-body --scenarios pack",
        "run unclosed-body --until-failure",
        "run unclosed-body --predict",
        "run unclosed-body --steps",
        "compare unclosed-body",
        "check",
        "check theirs.py",
        "check nope.py",
        "check mine.py --limit time=5s",
        "watch mine.py --scenario nope",
    ],
)
def test_what_is_not_plain_is_left_to_the_command(started: Any, arguments: str) -> None:
    if arguments == "run unclosed-body --steps":
        assert started(*arguments.split()) == (TWICE, None), "it is wrong usage, and ended at once"
    else:
        assert started(*arguments.split()) == NOTHING


def test_a_progress_file_that_is_broken_is_left_to_the_command(started: Any, tmp_path: Path) -> None:
    (tmp_path / "leaklab-progress.json").write_text("{")
    assert started("check", "mine.py") == NOTHING
