"""Results as GitHub-flavoured Markdown: the rows of the tables, and nothing that would break a wiki's page."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from leaklab.content.settings import Settings
from leaklab.lab.result import Result
from leaklab.reports import table
from leaklab.reports.markdown import comparison, escaped, scenario_result
from tests.unit import scripted

CRASH = scripted.crashed("it raised ValueError: a|b <c> `d` *e* (leaky.py, line 3: x = a_b | _c_)\nand more")


def rows(text: str) -> list[list[str]]:
    """The cells of every line of a table, blanks around them taken away."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def drawn(result: Result) -> str:
    """What the Rich table shows of the same result, wide enough for every line."""
    console = Console(width=400, no_color=True)
    with console.capture() as captured:
        console.print(table.scenario_result(result, ""))
    return captured.get()


def test_the_table_has_a_row_for_each_metric_and_moment_with_units_and_the_telling_ones_in_bold() -> None:
    told = rows(scenario_result(scripted.result(), ""))
    assert told[0] == ["", "metric", "leaky", "fixed", "difference"]
    assert told[1] == ["---", "---", "---:", "---:", "---:"]
    assert ["▸", "**open sockets, at peak**", "**50**", "**1**", "**+49**"] in told
    assert ["", "requests served", "50", "1", "+49"] in told
    assert ["", "memory (RSS), at peak", "30.0 MiB", "30.0 MiB", "0"] in told
    assert ["", "elapsed", "250 ms", "200 ms", "+50 ms"] in told
    assert not any("cursors" in row[1] for row in told)


@pytest.mark.parametrize("result", [scripted.result(), scripted.result(CRASH, scripted.fixed())])
def test_every_row_of_the_markdown_is_in_the_rich_table_too(result: Result) -> None:
    shown = " ".join(drawn(result).split())
    for row in rows(scenario_result(result, ""))[2:]:
        assert " ".join(cell.replace("**", "") for cell in row[1:]) in shown


def test_the_heading_tells_what_was_measured_under_which_settings() -> None:
    assert scenario_result(scripted.result(), "").startswith("### unclosed-body: 50 steps\n\n|")
    repeated = scripted.result(scripted.leaky(*[scripted.trace("leaky", lambda step: step)] * 3), scripted.fixed())
    assert "50 steps, median of 3 runs (least to most)\n" in scenario_result(repeated, "")
    assert scenario_result(scripted.result(settings=Settings()), "").startswith("### unclosed-body\n\n|")


def test_findings_are_a_list_under_each_half_with_its_verdict() -> None:
    text = scenario_result(scripted.result(), "")
    assert (
        "- **leaky: leaks**\n  - **leaked** open sockets: 50 of 50 steps left one socket open after return and gc\n"
    ) in text
    assert "  - **ahead** 1.00 sockets per step: " in text
    assert "- **fixed: clean**\n  - nothing grows, nothing is left over, nothing is late\n" in text


def test_the_why_line_is_the_last_and_is_taken_as_the_markdown_that_it_is() -> None:
    text = scenario_result(scripted.result(), "An unread body keeps its `socket`.")
    assert text.endswith("\n\n**Why:** An unread body keeps its `socket`.\n")
    assert "Why" not in scenario_result(scripted.result(), "")


def test_markup_in_an_error_is_escaped_and_stays_on_its_line() -> None:
    text = scenario_result(scripted.result(CRASH, scripted.fixed()), "")
    assert r"ValueError: a\|b \<c\> \`d\` \*e\* (leaky.py, line 3: x = a_b \| \_c\_) and more" in text


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


def test_what_a_half_printed_cannot_end_its_block() -> None:
    output = "first   \n```\n````\n# no heading\nfive\nsix\nse\x1b[31mven\n"
    text = scenario_result(scripted.result(scripted.leaky(), scripted.fixed(output=output)), "")
    block = "`````text\nfirst\n```\n````\n…\nsix\nse\N{REPLACEMENT CHARACTER}[31mven\n`````\n"
    assert f"The fixed half printed (5 of 7 lines):\n\n{block}" in text


def test_a_comparison_has_a_row_for_each_pair_and_units_in_its_heads() -> None:
    told = rows(comparison([scripted.result(), scripted.result(scenario="other")]))
    heads = [
        "open sockets",
        "conns opened",
        "open cursors",
        "threads",
        "elapsed (s)",
        "peak RSS (MiB)",
        "end RSS (MiB)",
    ]
    assert told[0] == ["scenario", *heads, "verdict"]
    figures = ["**50 / 1**", "50 / 1", "–", "1 / 1", "0.25 / 0.20", "30 / 30", "30 / 30", "leaks / clean"]
    assert told[2:] == [["**unclosed-body**", *figures], ["**other**", *figures]]
    assert comparison([scripted.result()]).startswith("Each cell: leaky / fixed.\n\n| scenario")


def test_a_comparison_of_nothing_is_an_empty_table() -> None:
    assert len(rows(comparison([]))) == 2


@pytest.mark.parametrize(
    "text",
    [
        scenario_result(scripted.result(CRASH, scripted.fixed(output="a  \n\n \nb")), "why  "),
        scenario_result(scripted.result(), "why"),
        comparison([scripted.result()]),
    ],
)
def test_no_line_has_trailing_blanks_and_every_row_as_many_cells_as_the_head(text: str) -> None:
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert len({len(row) for row in rows(text)}) == 1
