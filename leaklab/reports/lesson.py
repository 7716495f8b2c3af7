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

from leaklab.content.catalog import SHARED, Entry
from leaklab.content.declaration import HALVES, Scenario
from leaklab.content.languages import GO, PYTHON, Language
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

GAP = 2
"""Columns between two texts side by side."""

SMALLEST_GAP = 4
"""Lines that are left out, at least: fewer are shown."""


class CodeLine(NamedTuple):
    """One line of a half: its number (None for a gap, or a line of another text), its text, and its mark in MARKS."""

    number: int | None = None
    text: str = ""
    change: str = "same"


SIDE_BY_SIDE = "<!-- side by side -->"
"""Where a lesson shows its halves in both languages, which are taken from the files."""

OTHER_LANGUAGE = re.compile(r"^## The same in Go\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
"""The section of a lesson that is about the halves in Go."""


def lesson(entry: Entry, halves: Mapping[str, str], console: Console) -> Iterator[RenderableType]:
    """The halves as `code` shows them, then the lesson as rendered Markdown, without the code that is above.

    Of the halves in Go it is what the lesson says about Go, if it has them in Python, too. Where the lesson shows both
    languages, the files stand side by side if the console is wide enough; else those that are not above. Raises
    ScenarioError if a file cannot be read.
    """
    from rich.markdown import Markdown  # slow to import, and only the lesson needs it

    yield code_of(entry, halves, console)
    yield Text("")
    text = entry.lesson
    others = [one for one in entry.languages if one is not entry.language]
    if entry.language is GO and others and (section := OTHER_LANGUAGE.search(text)):
        text = "\n\n".join([text.splitlines()[0], f"> {entry.why}", section[0]])
    before, marker, after = _without_halves(text, halves, entry.language).partition(SIDE_BY_SIDE)
    yield Markdown(before)
    if marker:
        for other in others:
            yield _side_by_side(entry, entry.in_language(other), console)
            yield Text("")
        yield Markdown(after)


def code_of(entry: Entry, halves: Mapping[str, str], console: Console) -> RenderableType:
    """These halves of a scenario as `code` shows them. Raises ScenarioError if what they share cannot be read."""
    return code(halves, console, entry.text(SHARED) if entry.shared else "", entry.language)


def _side_by_side(entry: Entry, other: Entry, console: Console) -> RenderableType:
    """The halves of HALVES of two languages, each pair side by side; or what the fix changes in the other one."""
    ours, theirs = ([one.source(half) for half in HALVES] for one in (entry, other))
    width = max(MARGIN + len(line.expandtabs(4)) for text in (*ours, *theirs) for line in lines_of(text))
    if console.width < 2 * width + 2 * GAP:
        # Who asks for the halves in Go has seen them above.
        is_asked = entry.language is not GO
        return code(dict(zip(HALVES, theirs, strict=True)), console, language=other.language) if is_asked else Group()
    parts: list[RenderableType] = []
    for half, left, right in zip(HALVES, ours, theirs, strict=True):
        table = Table(*(Column(one.file_name(half), no_wrap=True) for one in (entry, other)), box=None)
        table.padding, table.pad_edge = (0, GAP, 0, 0), False
        columns = (_marked([*_numbered(text)], one.language) for one, text in ((entry, left), (other, right)))
        for row in zip_longest(*columns, fillvalue=Text("")):
            table.add_row(*row)
        parts += [table, Text("")]
    return Group(*parts[:-1])


def _numbered(text: str) -> Iterator[CodeLine]:
    yield from (CodeLine(number, line.expandtabs(4)) for number, line in enumerate(lines_of(text), start=1))


def _without_halves(markdown: str, halves: Mapping[str, str], language: Language) -> str:
    """The lesson with the place of each piece of a shown half instead of its lines."""

    def place(found: re.Match[str]) -> str:
        half, quoted = found["half"], found["lines"]
        if quoted not in halves.get(half, ""):
            return found[0]
        first, *more = quoted.strip().splitlines()
        rest = "" if not more else " *and the next line*" if len(more) == 1 else f" *and the next {len(more)} lines*"
        return f"*above, in {half}{language.suffix}:* `{first}`{rest}\n"

    fence = rf"^```{language.name} (?P<half>\w+){re.escape(language.suffix)}\n(?P<lines>.*?\n)```\n"
    return re.sub(fence, place, markdown, flags=re.MULTILINE | re.DOTALL)


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


def code(halves: Mapping[str, str], console: Console, shared: str = "", language: Language = PYTHON) -> RenderableType:
    """What the fix changes: the first and the last half side by side, or merged if the console is not wide enough.

    Of the halves between, below them, only what they change of the first. Last comes what they share, if anything.
    """
    halves = {half: text.expandtabs(4) for half, text in halves.items()}
    first, *between, last = halves
    files = {half: half + language.suffix for half in halves}
    head = f"what the fix changes: {files[first]} (-), {files[last]} (+)"
    parts = [compared((files[first], files[last]), head, halves[first], halves[last], console.width, language)]
    for name in between:
        head = f"what the {half_label(name)} changes: {files[first]} (-), {files[name]} (+)"
        parts += _below(head, merged(halves[first], halves[name], CONTEXT), language)
    if shared:
        parts += _below(f"{SHARED} (the halves import it)", merged(shared, shared), language)
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
    language: Language,
    context: int | None = None,
    skipped: int = 0,
) -> RenderableType:
    """Both texts below their heads, side by side if `width` columns are enough; otherwise merged, below `head`.

    `context` and `skipped` are as in `merged`.
    """
    if width < 2 * max(*map(len, heads), *(len(line) + 8 for line in (*lines_of(left), *lines_of(right)))) + 2:
        return Group(*_below(head, merged(left, right, context, skipped), language))
    columns = (Column(each, no_wrap=True) for each in heads)
    table = Table(*columns, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for row in zip(*(_marked(lines, language) for lines in aligned(left, right, skipped)), strict=True):
        table.add_row(*row)
    return table


def _below(head: str, lines: Sequence[CodeLine], language: Language) -> list[RenderableType]:
    shown = zip(map(_indent, lines), _marked(lines, language), strict=False)
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


def _marked(lines: Sequence[CodeLine], language: Language) -> Iterator[Text]:
    """Highlighted lines of a half, each with its mark and its number."""
    code = Syntax("", language.name, theme=THEME)
    highlighted = code.highlight("\n".join(line.text for line in lines)).split("\n", allow_blank=True)
    for line, text in zip(lines, highlighted, strict=False):
        mark, style = MARKS[line.change]
        # The mark works without colour; the colour is visible from the back of the room.
        head = (f"{mark} ", f"bold {style}"), (f"{line.number or '':>3}  ", "dim")
        yield Text.assemble(*head, text, overflow="fold")
