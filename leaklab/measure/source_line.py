"""A source location (file, line, text): where an error came from, or where a half hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from leaklab.units import lines_of, printable

if TYPE_CHECKING:
    from pathlib import Path


class SourceLine(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the learner's file that an error came from."""

    file: Annotated[str, Meta(description="The name of the file.")]
    line: Annotated[int, Meta(ge=0, description="The number of the line.")]
    text: Annotated[str, Meta(description="The line itself; empty if it cannot be read.")]

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
