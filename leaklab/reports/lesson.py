"""A scenario as reading material: its lesson, then its halves with the lines that differ marked."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Column, Table
from rich.text import Text

from leaklab.content.catalog import SHARED
from leaklab.content.declaration import Scenario
from leaklab.lab.result import half_label
from leaklab.units import lines_of

THEME = "ansi_dark"
"""Colours from the terminal's own palette, readable on any background."""

MARKS = {"removed": ("-", "red"), "added": ("+", "green"), "same": (" ", "")}


class CodeLine(NamedTuple):
    """One line of a half: its number (None for a gap), its text, and its mark in MARKS."""

    number: int | None = None
    text: str = ""
    change: str = "same"


def lesson(markdown: str, halves: Mapping[str, str], console: Console, shared: str = "") -> RenderableType:
    """The lesson as rendered Markdown, then the halves as `code` shows them."""
    from rich.markdown import Markdown  # slow to import, and only the lesson needs it

    return Group(Markdown(markdown), Text(""), code(halves, console, shared))


def settings_table(scenario: Scenario) -> RenderableType:
    """The settings that a scenario has, and how each is set; what an exercise takes instead of a default."""
    names = Column("setting", no_wrap=True, style="bold"), Column("default", no_wrap=True)
    table = Table(*names, "values", "what it is", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for setting in scenario.settings.declared:
        default = setting.in_words(scenario.settings[setting.name])
        if setting.name in scenario.learners:
            default += f" (check: {setting.in_words(scenario.learners[setting.name])})"
        table.add_row(setting.name, default, setting.values, setting.help)
    usage = " ".join(setting.usage for setting in scenario.settings.declared)
    return Group(Text(""), Rule("settings", align="left"), table, Text(f"\nSet them like this: {usage}"))


def code(halves: Mapping[str, str], console: Console, shared: str = "") -> RenderableType:
    """The halves: the first and the last side by side if the console is wide enough, the others below them.

    Last comes what they share, if anything.
    """
    first, *between, last = halves
    heads = (f"{first}.py", f"{last}.py")
    parts = [compared(heads, *aligned(halves[first], halves[last]), console.width)]
    for name in between:
        _, lines = aligned(halves[first], halves[name])
        parts += _below(f"{name}.py ({half_label(name)}; + lines are not in {first}.py)", lines)
    if shared:
        parts += _below(f"{SHARED} (the halves import it)", aligned(shared, shared)[0])
    return Group(*parts)


def compared(heads: tuple[str, str], left: Sequence[CodeLine], right: Sequence[CodeLine], width: int) -> RenderableType:
    """Aligned lines below their heads: side by side if `width` columns are enough, otherwise one below the other."""
    column = max(*map(len, heads), *(len(line.text) + 8 for line in (*left, *right)))
    if width < 2 * column + 2:
        return Group(*_below(heads[0], left), *_below(heads[1], right))
    columns = (Column(head, no_wrap=True) for head in heads)
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for row in zip(_marked(left), _marked(right), strict=True):
        table.add_row(*row)
    return table


def _below(head: str, lines: Sequence[CodeLine]) -> list[RenderableType]:
    numbered = [line for line in lines if line.number is not None]
    return [Rule(head, align="left"), *_marked(numbered)]


def aligned(left: str, right: str) -> tuple[list[CodeLine], list[CodeLine]]:
    """Both texts as equally many lines: a gap where only the other one has a line."""
    ours, theirs = lines_of(left), lines_of(right)
    rows: list[tuple[CodeLine, CodeLine]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        removed, added = ("same", "same") if tag == "equal" else ("removed", "added")
        first = [CodeLine(number + 1, ours[number], removed) for number in range(a, b)]
        second = [CodeLine(number + 1, theirs[number], added) for number in range(c, d)]
        rows += zip_longest(first, second, fillvalue=CodeLine())
    return [first for first, _ in rows], [second for _, second in rows]


def _marked(lines: Sequence[CodeLine]) -> Iterator[Text]:
    """Highlighted lines of a half, each with its mark and its number."""
    code = Syntax("", "python", theme=THEME)
    highlighted = code.highlight("\n".join(line.text for line in lines)).split("\n", allow_blank=True)
    for line, text in zip(lines, highlighted, strict=False):
        mark, style = MARKS[line.change]
        # The mark works without colour; the colour is visible from the back of the room.
        head = (f"{mark} ", f"bold {style}"), (f"{line.number or '':>3}  ", "dim")
        yield Text.assemble(*head, text, overflow="fold")
