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
    for name in ("mine.py", "other.py"):
        (tmp_path / name).write_text("from collections import deque\n\nimport requests\n\nrecent = deque()\n")

    def paths_of(names: Sequence[str]) -> list[Path]:
        return [built_in_folder() / f"{name}.py" for name in names]

    def start(*arguments: str) -> tuple[list[str], object]:
        found: list[Any] = [[], None]

        def note_paths(paths: Sequence[Path]) -> None:
            found[0] = [str(path.relative_to(built_in_folder()).with_suffix("")) for path in paths]

        def note_modules(
            kinds: Sequence[str], paths: Sequence[Path] = (), modules: Sequence[str] | None = None
        ) -> None:
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


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("import requests\n", ("requests",)),
        ("'What it does.'\n# why\nimport requests, collections\nimport json\n", ("requests", "collections")),
        ("import json\nimport requests\n", ()),
        ("import sys; assert 'requests' not in sys.modules\nimport requests\n", ()),
        ("try:\n    import requests\nexcept ImportError:\n    raise\n", ()),
        ("import requests\nx = (\n", ()),
        ("", ()),
    ],
)
def test_a_worker_imports_what_the_file_itself_imports_first(
    started: Any, tmp_path: Path, text: str, modules: tuple[str, ...]
) -> None:
    """What a file does before an import may make a difference to that."""
    (tmp_path / "mine.py").write_text(text)
    assert started("check", "mine.py") == (ONCE, modules)


@pytest.mark.parametrize("name", ["requests.py", "urllib3.py", "idna", "queue.py", "certifi.so"])
def test_where_anything_in_the_folder_could_take_a_modules_place_none_is_imported(
    started: Any, tmp_path: Path, name: str
) -> None:
    """What requests imports in its turn would be another one in the learner's own process."""
    (tmp_path / name).mkdir() if "." not in name else (tmp_path / name).write_text("")
    assert started("check", "mine.py") == (ONCE, ())


@pytest.mark.parametrize("name", ["a" * 300, "nul\0", "é\ud800"])
def test_a_name_that_no_file_can_have_is_left_to_the_command(started: Any, name: str) -> None:
    assert started("run", name) == NOTHING
    assert started("check", name, "--scenario", name) == NOTHING
    assert started("check", name) == NOTHING


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
        "run unclosed-body --lang go",
        "check mine.go --scenario unclosed-body",
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
