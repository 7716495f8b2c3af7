"""Results as GitHub-flavoured Markdown: the rows of the tables, and nothing that would break a wiki's page.

What it says is in tests/golden/markdown.txt.
"""

from __future__ import annotations

import re

import pytest

from leaklab.content.settings import Settings
from leaklab.explain.evidence import CodeSite
from leaklab.lab.result import Result
from leaklab.reports import table
from leaklab.reports.markdown import comparison, escaped, scenario_result
from leaklab.reports.series import SPARKS
from tests.unit import scripted
from tests.unit.golden import assert_golden, rendered, sections

CRASH = scripted.crashed("it raised ValueError: a|b <c> `d` *e* (leaky.py, line 3: x = a_b | _c_)\nand more")
OUTPUT = "first   \n```\n````\n# no heading\nfive\nsix\nse\x1b[31mven\n"
REPEATED = scripted.leaky(*[scripted.trace("leaky", lambda step: step)] * 3)
CODE = CodeSite("leaky.py", 11, "", "print(f'`{x}` | ``')")
EVIDENCE = scripted.evidence(49, CODE, scripted.KEPT), scripted.evidence(1, CODE, note="no [Python] object")
RESULTS = {
    "explained": scripted.result(scripted.explained(scripted.leaky(), EVIDENCE, "it is <gone>")),
    "a_pair": scripted.result(),
    "a_crash": scripted.result(CRASH, scripted.fixed(output="a  \n\n \nb")),
    "output": scripted.result(scripted.leaky(), scripted.fixed(output=OUTPUT)),
    "several_runs": scripted.result(REPEATED, scripted.fixed()),
    "no_settings": scripted.result(settings=Settings()),
}


def rows(text: str) -> list[list[str]]:
    """The cells of every line of a table, without the blanks around them."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_markdown_of_results() -> None:
    shown = {name: scenario_result(result, "An unread body keeps its `socket`.") for name, result in RESULTS.items()}
    shown["every_row"] = scenario_result(scripted.result(), "", every=True)
    shown["compared"] = comparison([scripted.result(), scripted.result(scenario="other")])
    assert_golden("markdown", sections(**shown))
    assert "Why" not in scenario_result(scripted.result(), "")


@pytest.mark.parametrize("result", RESULTS.values(), ids=list(RESULTS))
def test_every_row_of_the_markdown_is_in_the_rich_table_too(result: Result) -> None:
    without_pictures = re.sub(f"[{SPARKS}]", "", rendered(table.scenario_result(result, "", every=True), 400))
    shown = " ".join(without_pictures.split())
    every = rows(scenario_result(result, "", every=True))[2:]
    for row in every:
        assert " ".join(cell.replace("**", "") for cell in row) in shown
    assert len(every) > len(rows(scenario_result(result, ""))[2:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open_fds", "open_fds"),
        ("__init__", r"\_\_init\_\_"),
        ("a | b", r"a \| b"),
        ("a\\|b", r"a\\\|b"),
        ("<script>", r"\<script\>"),
        ("[x](y)", r"\[x\](y)"),
        ("&amp;", r"\&amp;"),
        ("two\nlines\tand\x1b[31m colour ", r"two lines and \[31m colour"),
    ],
)
def test_text_is_shown_as_it_is(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_comparison_of_nothing_is_an_empty_table() -> None:
    assert len(rows(comparison([]))) == 2


@pytest.mark.parametrize("text", [*(scenario_result(each, "why  ") for each in RESULTS.values()), comparison([])])
def test_no_line_has_trailing_blanks_and_every_row_as_many_cells_as_the_head(text: str) -> None:
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert len({len(row) for row in rows(text)}) == 1
