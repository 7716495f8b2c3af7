"""Results as GitHub-flavoured Markdown, for a wiki: the rows of the tables, and the remarks on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.reports.rows import (
    WITH_END,
    Column,
    compared_cells,
    compared_halves,
    conditions,
    metric_rows,
    printed,
    remarks,
)

_MARKUP = re.compile(r"[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")
"""What GitHub would read as markup. An underscore inside a word is not: `open_fds` stays readable."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def escaped(text: str) -> str:
    """`text` on one line, escaped so that GitHub shows its characters as they are, even in a table cell."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(_UNPRINTABLE.sub(" ", text).split()))


def scenario_result(result: Result, why: str) -> str:
    """One scenario: the table, the findings as a list, and `why`, which is Markdown already.

    Lines have no trailing blanks; the last ends with a line feed.
    """
    under = conditions(result)
    parts = [f"### {escaped(result.scenario)}{f': {escaped(under)}' if under else ''}", _metrics(result)]
    parts.append("\n".join(line for name, half in result.halves.items() for line in _remarks(name, half)))
    parts += [part for half in result.halves.values() for part in _output(half)]
    if why:
        parts.append(f"**Why:** {why.strip()}")
    return _joined(parts)


def comparison(results: Sequence[Result]) -> str:
    """All pairs, the halves' figures side by side, units in the heads. Lines as in `scenario_result`."""
    rows: list[list[str]] = []
    for result in results:
        cells = [
            _compared(cell.figures, unread=cell.unread, is_key=cell.is_key) for cell in compared_cells(result, WITH_END)
        ]
        verdicts = " / ".join(half.judgement.verdict.value for half in result.halves.values())
        rows.append([f"**{escaped(result.scenario)}**", *cells, verdicts])
    heads = ["scenario", *[_head(column) for column in WITH_END], "verdict"]
    table = _table(heads, [False, *[True] * len(WITH_END), False], rows)
    return _joined([f"Each cell: {escaped(' / '.join(map(half_label, compared_halves(results))))}.", table])


def _metrics(result: Result) -> str:
    heads = ["", "metric", *[escaped(half_label(half)) for half in result.halves], "difference"]
    rows: list[list[str]] = []
    for row in metric_rows(result):
        cells = [escaped(cell) for cell in (row.label, *row.cells, row.difference)]
        rows.append(["▸", *[f"**{cell}**" for cell in cells]] if row.is_key else ["", *cells])
    return _table(heads, [False, False, *[True] * (len(heads) - 2)], rows)


def _remarks(name: str, half: HalfResult) -> Iterator[str]:
    yield f"- **{escaped(half_label(name))}: {half.judgement.verdict.value}**"
    for remark in remarks(half):
        kind = f"**{escaped(remark.kind)}** " if remark.kind else ""
        yield f"  - {kind}{escaped(remark.words)}"


def _output(half: HalfResult) -> Iterator[str]:
    output = printed(half)
    if output is None:
        return
    yield escaped(output.heading)
    lines = [_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line).rstrip() for line in output.lines]
    # The output may contain fences; only one as long as the opening fence closes it.
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield "\n".join([f"{fence}text", *lines, fence])


def _head(column: Column) -> str:
    words = " ".join(column.words.split())
    return f"{words} ({column.unit})" if column.unit else words


def _compared(figures: Sequence[str], *, unread: bool, is_key: bool) -> str:
    text = "–" if unread else " / ".join(figures)
    return f"**{text}**" if is_key and not unread else text


def _table(heads: Sequence[str], right: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---:" if aligned else "---" for aligned in right]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ruler, *rows])


def _joined(parts: Sequence[str]) -> str:
    lines = "\n\n".join(parts).split("\n")
    return "\n".join(line.rstrip() for line in lines) + "\n"
