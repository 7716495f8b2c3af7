"""The golden files themselves: each belongs to a test, and CI does not write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.golden import FOLDER, assert_golden


def test_every_golden_file_belongs_to_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    assert [file.name for file in FOLDER.iterdir() if f'assert_golden("{file.stem}"' not in tests] == []


def test_ci_refuses_to_write_a_golden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKLAB_GOLDEN", "write")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="written by people"):
        assert_golden("anything", "text")
    assert not (FOLDER / "anything.txt").exists()
