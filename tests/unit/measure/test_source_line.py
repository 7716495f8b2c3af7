"""A line of a file, read where it can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaklab.measure.source_line import SourceLine


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        (2, "return 1 / n", "half.py, line 2: return 1 / n"),
        (3, "bell: \ufffd", "half.py, line 3: bell: \ufffd"),
        (9, "", "half.py, line 9"),
        (0, "", "half.py, line 0"),
    ],
)
def test_a_place_has_the_text_of_its_line_if_there_is_one(tmp_path: Path, line: int, text: str, words: str) -> None:
    path = tmp_path / "half.py"
    path.write_text("def run(n):\n    return 1 / n\nbell: \x07\n")
    place = SourceLine.at(path, line)
    assert place == SourceLine("half.py", line, text)
    assert str(place) == words


def test_lines_are_numbered_as_python_numbers_them(tmp_path: Path) -> None:
    """A form feed, a file separator and U+2028 end a line for `str.splitlines`, and not for Python."""
    path = tmp_path / "half.py"
    path.write_text("one = '\x0c\x1c\u2028'\r\ntwo = 1 / 0\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile(path.read_bytes(), str(path), "exec"), {})  # noqa: S102 # Python itself is asked
    line = raised.traceback[-1].lineno + 1
    assert SourceLine.at(path, line).text == "two = 1 / 0"


def test_a_file_that_is_gone_has_places_without_text(tmp_path: Path) -> None:
    assert str(SourceLine.at(tmp_path / "gone.py", 4)) == "gone.py, line 4"
