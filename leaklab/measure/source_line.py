"""A source location (file, line, text): where an error came from, or where a half hangs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from leaklab.system.files import read_regular
from leaklab.units import lines_of, printable

UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What `ast.parse` and `compile` raise for a text that is not Python."""


def text_of(lines: Sequence[str], line: int) -> str:
    """Line `line`, counted from 1, as it is shown; empty if there is no such line."""
    return printable(lines[line - 1].strip()) if 1 <= line <= len(lines) else ""


def lines_in(path: Path, folder: Path) -> list[str]:
    """The lines of a file of `folder`, none if it cannot be read.

    None either if it is a link that leads out of the folder: what a half names is not for it to choose.
    """
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            return []
        return lines_of(decoded(read_regular(path)))
    except (OSError, ValueError):
        return []


def decoded(source: bytes) -> str:
    """The text of a Python file, in the encoding that it names; what is not in that encoding is replaced."""
    from io import BytesIO
    from tokenize import detect_encoding

    try:
        return source.decode(detect_encoding(BytesIO(source).readline)[0], errors="replace")
    except (SyntaxError, LookupError):
        return source.decode(errors="replace")


class SourceLine(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the learner's file that an error came from."""

    file: Annotated[str, Meta(description="The name of the file.")]
    line: Annotated[int, Meta(ge=0, description="The number of the line.")]
    text: Annotated[str, Meta(description="The line itself; empty if it cannot be read.")]

    @classmethod
    def at(cls, path: Path, line: int) -> "SourceLine":
        """Line `line` of `path`, counted from 1; without text if there is no such line, or none of its folder."""
        return cls(path.name, line, text_of(lines_in(path, path.parent), line))

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}{': ' if self.text else ''}{self.text}"
