"""Results as GitHub-flavoured Markdown, for a wiki: the rows of the tables, and the remarks on them."""

import re
from collections.abc import Iterator, Sequence

from leaklab.judge.findings import Verdict
from leaklab.lab.result import HalfResult, Result, half_label
from leaklab.reports import rows

_MARKUP = re.compile(r"[\\`*\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")
"""What GitHub would read as markup. An underscore inside a word is not: `open_fds` stays readable."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def escaped(text: str) -> str:
    """`text` on one line, escaped so that GitHub shows its characters as they are, even in a table cell."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(_UNPRINTABLE.sub(" ", text).split()))


def scenario_result(result: Result, why: str, every: bool = False) -> str:
    """One scenario: the rows that tell, or `every` row, the findings as a list, and `why`, which is Markdown already.

    Lines have no trailing blanks; the last ends with a line feed.
    """
    under = rows.conditions(result)
    parts = [f"### {escaped(result.title)}{f': {escaped(under)}' if under else ''}", _metrics(result, every=every)]
    known = set[str]()
    parts.append("\n".join(line for name, half in result.halves.items() for line in _remarks(name, half, known)))
    parts += [part for half in result.halves.values() for part in _output(half)]
    if why:
        parts.append(f"**Why:** {why.strip()}")
    return _joined(parts)


def comparison(results: Sequence[Result]) -> str:
    """Each pair in a line: what tells of each half. Lines as in `scenario_result`."""
    names = rows.halves_of(results)
    lines: list[list[str]] = []
    for result in results:
        cells = dict.fromkeys(names, "")
        for name, (words, _) in rows.at_a_glance(result).items():
            decided = result.halves[name].judgement.verdict
            cells[name] = f"**{words}**" if decided is Verdict.LEAKS else f"{decided}, {words}"
        lines.append([f"**{escaped(result.title)}**", *cells.values()])
    return _joined([_table(["scenario", *map(half_label, names)], [False] * (len(names) + 1), lines)])


def _metrics(result: Result, *, every: bool) -> str:
    heads = ["", *[escaped(half_label(half)) for half in result.halves]]
    halves = result.halves.values()
    lines: list[list[str]] = []
    for row in rows.telling_rows(result):
        cells = zip(map(escaped, row.cells), [rows.is_found(half, row) for half in halves], strict=True)
        lines.append([escaped(row.label), *[f"**{cell}**" if convicts else cell for cell, convicts in cells]])
    lines.append(["verdict", *map(rows.verdict_words, halves)])
    others = rows.other_rows(result) if every else ()
    lines += [[escaped(row.label), *map(escaped, row.cells)] for row in others]
    return _table(heads, [False, *[True] * (len(heads) - 1)], lines)


def _remarks(name: str, half: HalfResult, known: set[str]) -> Iterator[str]:
    yield f"- **{escaped(half_label(name))}: {rows.verdict_words(half)}**"
    for remark in rows.remarks(half, known):
        means = f" ({remark.means})" if remark.means else ""
        kind = f"**{escaped(remark.kind)}**{means}: " if remark.kind else ""
        yield f"  - {kind}{escaped(remark.words)}"
        for line in remark.evidence:
            words = _code(line.words) if line.is_code else escaped(line.words)
            yield f"    - {escaped(line.head)} {words}".rstrip()


def _code(text: str) -> str:
    """`text` as a code span, which is closed by as many backticks as open it."""
    text = " ".join(_UNPRINTABLE.sub(" ", text).split())
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{ticks} {text} {ticks}" if len(ticks) > 1 else f"`{text}`"


def _output(half: HalfResult) -> Iterator[str]:
    output = rows.printed(half)
    if not output:
        return
    yield escaped(output[0])
    lines = [_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line).rstrip() for line in output[1:]]
    # The output may contain fences; only one as long as the opening fence closes it.
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield "\n".join([f"{fence}text", *lines, fence])


def _table(heads: Sequence[str], right: Sequence[bool], lines: Sequence[Sequence[str]]) -> str:
    ruler = ["---:" if aligned else "---" for aligned in right]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ruler, *lines])


def _joined(parts: Sequence[str]) -> str:
    lines = "\n\n".join(parts).split("\n")
    return "\n".join(line.rstrip() for line in lines) + "\n"
