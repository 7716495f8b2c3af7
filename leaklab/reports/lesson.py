"""A scenario as reading material: its lesson, then its halves with the lines that differ marked."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from leaklab.reports.rows import half_label
from leaklab.units import lines_of

THEME = "ansi_dark"
"""Colours from the terminal's own palette, readable on any background."""

MARKS = {"removed": ("-", "red"), "added": ("+", "green"), "same": (" ", "")}


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One line of a half: its number (None for a gap), its text, and its mark in MARKS."""

    number: int | None
    text: str
    change: str


def lesson(markdown: str, halves: Mapping[str, str], console: Console) -> RenderableType:
    """The lesson as rendered Markdown, then the halves as `code` shows them."""
    from rich.markdown import Markdown  # slow to import, and only the lesson needs it

    return Group(Markdown(markdown), Text(""), code(halves, console))


def code(halves: Mapping[str, str], console: Console) -> RenderableType:
    """The halves: the first and the last side by side if the console is wide enough, the others below them."""
    parts: list[RenderableType] = []
    names = list(halves)
    first, last = names[0], names[-1]
    left, right = aligned(halves[first], halves[last])
    width = max(len(line.text) for line in (*left, *right)) + 7
    if console.width >= 2 * width + 3:
        parts.append(_beside(first, left, last, right))
    else:
        for name, lines in ((first, left), (last, right)):
            parts += [
                Rule(f"{name}.py", align="left"),
                _column([line for line in lines if line.number is not None]),
            ]
    for name in names[1:-1]:
        _, almost = aligned(halves[first], halves[name])
        parts += [
            Rule(f"{name}.py ({half_label(name)}; + lines are not in {first}.py)", align="left"),
            _column([line for line in almost if line.number is not None]),
        ]
    return Group(*parts)


def aligned(left: str, right: str) -> tuple[list[CodeLine], list[CodeLine]]:
    """Both texts as equally many lines: a gap where only the other one has a line."""
    ours, theirs = lines_of(left), lines_of(right)
    first: list[CodeLine] = []
    second: list[CodeLine] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        removed, added = ("same", "same") if tag == "equal" else ("removed", "added")
        first += [CodeLine(number + 1, ours[number], removed) for number in range(a, b)]
        second += [CodeLine(number + 1, theirs[number], added) for number in range(c, d)]
        while len(first) < len(second):
            first.append(CodeLine(None, "", "same"))
        while len(second) < len(first):
            second.append(CodeLine(None, "", "same"))
    return first, second


def _beside(left_name: str, left: list[CodeLine], right_name: str, right: list[CodeLine]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(f"{left_name}.py", no_wrap=True)
    table.add_column(f"{right_name}.py", no_wrap=True)
    for ours, theirs in zip(marked_lines(left), marked_lines(right), strict=True):
        table.add_row(ours, theirs)
    return table


def _column(lines: list[CodeLine]) -> RenderableType:
    return Group(*marked_lines(lines))


def marked_lines(lines: Sequence[CodeLine], *, no_wrap: bool = False) -> Iterator[Text]:
    """Highlighted lines of a half, each with its mark and its number."""
    code = Syntax("", "python", theme=THEME)
    highlighted = code.highlight("\n".join(line.text for line in lines)).split("\n", allow_blank=True)
    for line, text in zip(lines, highlighted, strict=False):
        mark, style = MARKS[line.change]
        number = "" if line.number is None else str(line.number)
        # The mark works without colour; the colour is visible from the back of the room.
        yield Text.assemble(
            (f"{mark} ", f"bold {style}"), (f"{number:>3}  ", "dim"), text, no_wrap=no_wrap, overflow="fold"
        )
