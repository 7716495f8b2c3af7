"""A source location (file, line, text): where an error came from, or where a half hangs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.units import lines_of, printable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line: the file's name, the line's number, its text (empty if it cannot be read)."""

    file: str
    line: int
    text: str

    @classmethod
    def at(cls, path: Path, line: int) -> SourceLine:
        """Line `line` of `path`, counted from 1; without text if there is no such line."""
        try:
            lines = lines_of(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            lines = []
        return cls(path.name, line, printable(lines[line - 1].strip()) if 1 <= line <= len(lines) else "")

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}{': ' if self.text else ''}{self.text}"
