"""A scenario as reading material: its halves with the lines that differ marked, then its lesson."""

import difflib
import re
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
from leaklab.reports.table import Hanging
from leaklab.units import lines_of

THEME = "ansi_dark"
"""Colours from the terminal's own palette, readable on any background."""

MARKS = {"removed": ("-", "red"), "added": ("+", "green"), "same": (" ", "")}

CONTEXT = 1
"""Lines shown around what a partial fix changes: the rest of it stands above."""


MARGIN = 7
"""Columns before the code: the mark and the number of a line."""

SMALLEST_GAP = 4
"""Lines that are left out, at least: fewer are shown."""


class CodeLine(NamedTuple):
    """One line of a half: its number (None for a gap, or a line of another text), its text, and its mark in MARKS."""

    number: int | None = None
    text: str = ""
    change: str = "same"


def lesson(markdown: str, halves: Mapping[str, str], console: Console, shared: str = "") -> RenderableType:
    """The halves as `code` shows them, then the lesson as rendered Markdown, without the code that is above."""
    from rich.markdown import Markdown  # slow to import, and only the lesson needs it

    return Group(code(halves, console, shared), Text(""), Markdown(_without_halves(markdown, halves)))


def _without_halves(markdown: str, halves: Mapping[str, str]) -> str:
    """The lesson with the place of each piece of a shown half instead of its lines."""

    def place(found: re.Match[str]) -> str:
        half, quoted = found["half"], found["lines"]
        if quoted not in halves.get(half, ""):
            return found[0]
        first, *more = quoted.strip().splitlines()
        rest = "" if not more else " *and the next line*" if len(more) == 1 else f" *and the next {len(more)} lines*"
        return f"*above, in {half}.py:* `{first}`{rest}\n"

    return re.sub(
        r"^```python (?P<half>\w+)\.py\n(?P<lines>.*?\n)```\n", place, markdown, flags=re.MULTILINE | re.DOTALL
    )


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
    """What the fix changes: the first and the last half side by side, or merged if the console is not wide enough.

    Of the halves between, below them, only what they change of the first. Last comes what they share, if anything.
    """
    first, *between, last = halves
    head = f"what the fix changes: {first}.py (-), {last}.py (+)"
    parts = [compared((f"{first}.py", f"{last}.py"), head, halves[first], halves[last], console.width)]
    for name in between:
        head = f"what the {half_label(name)} changes: {first}.py (-), {name}.py (+)"
        parts += _below(head, merged(halves[first], halves[name], CONTEXT))
    if shared:
        parts += _below(f"{SHARED} (the halves import it)", merged(shared, shared))
    return Group(*parts)


def merged(left: str, right: str, context: int | None = None, skipped: int = 0) -> list[CodeLine]:
    """Both texts as one: what only the left one has, what only the right one has, and what both have once.

    With `context`, only the changes, with so many lines around each, and a line of its own for what is left out.
    `skipped` is as in `aligned`.
    """
    ours, theirs = lines_of(left), lines_of(right)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    groups = [matcher.get_opcodes()] if context is None else list(matcher.get_grouped_opcodes(context))
    lines: list[CodeLine] = []
    end = 0
    for group in groups:
        between = range(end, group[0][1])
        is_gap = len(between) >= SMALLEST_GAP
        lines += [CodeLine(None, "⋮")] if is_gap else [CodeLine(skipped + n + 1, ours[n]) for n in between]
        end = group[-1][2]
        for tag, a, b, c, d in group:
            mark = "same" if tag == "equal" else "removed"
            lines += [CodeLine(skipped + number + 1, ours[number], mark) for number in range(a, b)]
            # Numbers are those of the left text only: two series in one column say nothing.
            lines += [CodeLine(None, theirs[number], "added") for number in range(c, d) if tag != "equal"]
    return lines


def compared(
    heads: tuple[str, str],
    head: str,
    left: str,
    right: str,
    width: int,
    context: int | None = None,
    skipped: int = 0,
) -> RenderableType:
    """Both texts below their heads, side by side if `width` columns are enough; otherwise merged, below `head`.

    `context` and `skipped` are as in `merged`.
    """
    if width < 2 * max(*map(len, heads), *(len(line) + 8 for line in (*lines_of(left), *lines_of(right)))) + 2:
        return Group(*_below(head, merged(left, right, context, skipped)))
    columns = (Column(each, no_wrap=True) for each in heads)
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for row in zip(*map(_marked, aligned(left, right, skipped)), strict=True):
        table.add_row(*row)
    return table


def _below(head: str, lines: Sequence[CodeLine]) -> list[RenderableType]:
    shown = zip(map(_indent, lines), _marked(lines), strict=False)
    return [Rule(head, align="left"), *(Hanging(text, indent) for indent, text in shown)]


def _indent(line: CodeLine) -> int:
    """The column at which the code of a line begins: what does not fit goes on there."""
    return min(MARGIN + len(line.text) - len(line.text.lstrip()), 2 * MARGIN)


def aligned(left: str, right: str, skipped: int = 0) -> tuple[list[CodeLine], list[CodeLine]]:
    """Both texts as equally many lines: a gap where only the other one has a line.

    `skipped` lines of its file stand before the left one.
    """
    ours, theirs = lines_of(left), lines_of(right)
    rows: list[tuple[CodeLine, CodeLine]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        removed, added = ("same", "same") if tag == "equal" else ("removed", "added")
        first = [CodeLine(skipped + number + 1, ours[number], removed) for number in range(a, b)]
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
