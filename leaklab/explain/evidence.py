"""The evidence for a finding: the line that opened what leaks, and what keeps it or became of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from leaklab.measure.source_line import UNPARSABLE, lines_in, text_of
from leaklab.metrics import RSS
from leaklab.units import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

Text = Annotated[str, Meta(max_length=2000)]
SiteCount = Annotated[int, Meta(ge=1, le=2**53)]

SITE_PACKAGES = "site-packages/"


class CodeSite(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of code."""

    file: Annotated[str, Meta(description="The file: of the half's own folder by its path in there.")]
    line: Annotated[int, Meta(ge=0, description="The number of the line.")]
    function: Annotated[str, Meta(description="The function that it is in; empty if that is unknown.")]
    code: Annotated[str, Meta(description="The line itself; empty if it is not one of the half's own folder.")]

    def __str__(self) -> str:
        place = f" in {self.function}()" if self.function.isidentifier() else ""
        return f"{self.file}:{self.line}{place}"


class KeptBy(Struct, frozen=True, forbid_unknown_fields=True):
    """What keeps it: a chain of references from a name."""

    chain: Annotated[str, Meta(description="From the name to the object; […] stands for any item.")]
    root: Annotated[str, Meta(description="What the name is of.")]
    through: Annotated[str, Meta(description="What holds them.")]


class Evidence(Struct, frozen=True, forbid_unknown_fields=True):
    """What was found inside of those things that a finding counts: those of one line that are kept in one way."""

    count: Annotated[SiteCount, Meta(description="How many, in a run of its own that was not measured.")]
    what: Annotated[str, Meta(description="What one of them is.")]
    opened: Annotated[CodeSite | None, Meta(description="The line that opened it; null if that is unknown.")]
    kept_by: Annotated[KeptBy | None, Meta(description="Null if nothing is known to keep it: see `note`.")]
    waits_at: Annotated[CodeSite | None, Meta(description="The line that a thread or a task is at; else null.")]
    note: Annotated[str, Meta(description="What became of a connection, or why nothing is known to keep it.")]

    @property
    def place(self) -> CodeSite | None:
        """The line in the half's folder where it waits, or else where it was opened; None if neither is known."""
        lines = (self.waits_at, self.opened)
        return next((line for line in lines if line is not None and line.code), None)


class ReportedLine(Struct, frozen=True, array_like=True):
    """A line, as a witness sends it."""

    file: Text
    line: Annotated[int, Meta(ge=0, le=2**53)]
    function: Text


class ReportedGroup(Struct, frozen=True):
    """A group, as a witness sends it."""

    counter: Text
    count: SiteCount
    what: Text
    opened: ReportedLine | None
    kept: tuple[Text, Text, Text] | None
    waits: ReportedLine | None
    own: bool
    became: Text
    note: Text
    links: tuple[Text, ...] = ()

    def evidence(self, folder: Path) -> Evidence:
        """The same for people, with the code of lines that lie in `folder`."""
        kept = None if self.kept is None else KeptBy(*map(_short, self.kept))
        opened, waits = code_site(self.opened, folder), code_site(self.waits, folder)
        return Evidence(self.count, _short(self.what), opened, kept, waits, _short(self.became or self.note))

    def is_of(self, folder: Path) -> bool:
        """Whether it comes from, or waits in, a line of `folder`; of memory, or whether a name of the half keeps it."""
        return (self.own and self.counter == RSS.counter) or any(
            line is not None and Path(line.file).is_relative_to(folder) for line in (self.opened, self.waits)
        )


LONGEST = 200
"""Characters of a chain that are kept."""


def groups_of(sent: list[Any]) -> list[ReportedGroup]:
    """The groups that a witness sent; none if they are not what they should be."""
    try:
        return msgspec.convert(sent, list[ReportedGroup])
    except msgspec.ValidationError:
        return []


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def code_site(reported: ReportedLine | None, folder: Path) -> CodeSite | None:
    """A line for people, with its code if it lies in `folder`."""
    if reported is None:
        return None
    path, function = Path(reported.file), _short(reported.function)
    if path.is_relative_to(folder):
        lines = lines_in(path, folder)
        name = printable(str(path.relative_to(folder)))
        function = function or _function_at("\n".join(lines), reported.line)
        return CodeSite(name, reported.line, function, text_of(lines, reported.line))
    file = reported.file.rpartition(SITE_PACKAGES)[2] if SITE_PACKAGES in reported.file else path.name
    return CodeSite(_short(file), reported.line, function, "")


def _function_at(source: str, line: int) -> str:
    """The function that a line is in; empty if it is in none."""
    try:
        tree = ast.parse(source)
    except UNPARSABLE:
        return ""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = [node for node in functions if node.lineno <= line <= (node.end_lineno or 0)]
    return max(inside, key=lambda node: node.lineno).name if inside else ""


def worth_telling(groups: Sequence[ReportedGroup], folder: Path, least: float) -> list[ReportedGroup]:
    """The groups of the lines from which at least so many come, those of the half's own lines if there are any.

    What a pool or a library has besides is not what grows.
    """
    by_line: dict[ReportedLine | None, int] = {}
    for group in groups:
        by_line[group.opened] = by_line.get(group.opened, 0) + group.count
    many = [group for group in groups if by_line[group.opened] >= least]
    return [group for group in many if group.is_of(folder)] or many
