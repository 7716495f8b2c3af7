"""The lessons: one shape for all, no line too long, and every block of code in them is what it says it is.

A block's info string says how it is checked:

* `python run`: a complete program; it is run, and a `text` block right after it is what it must print.
* `python leaky.py` (or another half): lines of that half, verbatim; or of a file of tests/fixes, which is judged too.
* `python`: compiles.
* `evidence leaky` (or a partial fix; `evidence leaky go` for the half in Go): what `run` says of that half's findings
  (tests/integration/test_evidence.py).

The halves in Go are shown from their files, where the lesson says so (leaklab/reports/lesson.py).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from leaklab.content.catalog import Entry
from leaklab.content.declaration import ALL_HALVES, HALVES
from leaklab.content.languages import GO, PYTHON, Language
from leaklab.golang.building import MODULE
from leaklab.lab.result import half_label
from leaklab.reports.lesson import SIDE_BY_SIDE

SCENARIOS = Path(__file__).parents[3] / "scenarios"
FIXES = Path(__file__).parents[2] / "fixes"
LESSONS = {path.parent.name: path for path in sorted(SCENARIOS.glob("*/lesson.md"))}

PARTIAL_FIX, IN_GO, IN_PYTHON = "The partial fix, and why it is not enough", "The same in Go", "The nearest in Python"
FIGURES = "Where the figures come from"
HEADINGS = [
    "Symptom",
    "What happens",
    "Which line, and what keeps it",
    "The fix",
    PARTIAL_FIX,
    IN_GO,
    IN_PYTHON,
    "See it on a live system",
    FIGURES,
    "Read more",
]
QUOTED = {f"python {half}.py" for half in ALL_HALVES} | {f"python {path.name}" for path in FIXES.glob("*/right_*.py")}
QUOTED |= {f"go {half}.go" for half in ALL_HALVES}
INFOS = {"python", "python run", *QUOTED, "console", "text"}
INFOS |= {f"evidence {half}{more}" for half in ALL_HALVES if half != "fixed" for more in ("", " go")}
OFFICIAL = ["docs.python.org", "go.dev", "man7.org", "pkg.go.dev", "pymongo.readthedocs.io", "requests.readthedocs.io"]
OFFICIAL += ["urllib3.readthedocs.io", "www.mongodb.com"]
LINE, WHY = 110, 160  # characters
RUN_WITHIN_S = 60.0


def blocks_of(markdown: str) -> list[Token]:
    """The blocks of the top level, in order: headings, block quotes, fenced blocks (`fence`), tables and so on."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [token for token in tokens if token.level == 0 and token.nesting >= 0]


def span(block: Token) -> range:
    """The lines of a block, counted from 0."""
    assert block.map is not None
    return range(*block.map)


def text_of(name: str) -> str:
    return LESSONS[name].read_text(encoding="utf-8")


def entry_of(name: str, language: Language | None = None) -> Entry:
    """The scenario of a lesson, in this language or in the first that it has."""
    entry = Entry(LESSONS[name].parent)
    return entry.in_language(language or entry.languages[0])


def headings_of(name: str) -> list[str]:
    """The headings of the lesson of a scenario: some are only there if there is something to say."""
    entry = entry_of(name)
    left_out = {PARTIAL_FIX} if entry.halves == HALVES else set()
    left_out |= {IN_PYTHON} if entry.language is PYTHON else {IN_GO}
    left_out |= {IN_GO} if GO not in entry.languages else set()
    return [heading for heading in HEADINGS if heading not in left_out]


def section_of(name: str, heading: str) -> str:
    """What stands below a heading."""
    return text_of(name).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def problems_of_shape(markdown: str, expected: Sequence[str]) -> list[str]:
    """What is wrong with the title, the block quote, the headings, the fences and the lengths of lines."""
    problems: list[str] = []
    blocks, lines = blocks_of(markdown), markdown.splitlines()
    if blocks[0].tag != "h1":
        problems.append("the first line is no title")
    quotes = [span(block) for block in blocks if block.type == "blockquote_open"]
    if quotes not in ([range(2, 3)], [range(2, 4)]):
        problems.append("there must be one block quote, in line 3, of one or two lines")
    elif not 0 < len(why := " ".join(lines[number][1:].strip() for number in quotes[0])) <= WHY:
        problems.append(f"the block quote has {len(why)} characters, at most {WHY} fit under a table")
    headings = [lines[span(block)[0]].lstrip("# ") for block in blocks[1:] if block.type == "heading_open"]
    if headings != expected:
        problems.append(f"the headings are {headings}")
    for block, after in pairwise([*blocks, Token("heading_open", "h2", 1)]):
        if block.type == after.type == "heading_open":
            problems.append(f"{lines[span(block)[0]]!r} has nothing under it")
        if block.type == "fence" and not lines[span(block)[-1]].startswith("```"):
            problems.append(f"the fence of line {span(block)[0] + 1} is not closed")
        if block.type not in ("fence", "table_open"):
            long = [number for number in span(block) if len(lines[number]) > LINE]
            problems += [f"line {number + 1} has {len(lines[number])} characters" for number in long]
    return problems


def check_syntax(snippet: str) -> None:
    """Raise SyntaxError unless `snippet` can stand inside a function."""
    compile("def snippet():\n" + textwrap.indent(textwrap.dedent(snippet), "    "), "lesson.md", "exec")


def every(*infos: str) -> list[object]:
    """The fenced blocks of all lessons with one of `infos`, as parameters of a test."""
    return [
        pytest.param(name, block, id=f"{name}:{span(block)[0] + 1}")
        for name in LESSONS
        for block in blocks_of(text_of(name))
        if block.info in infos
    ]


def test_there_is_a_lesson_for_every_scenario() -> None:
    assert set(LESSONS) == {path.parent.name for path in SCENARIOS.glob("*/scenario.py")}
    assert LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_has_the_shape_of_all_lessons(name: str) -> None:
    assert problems_of_shape(text_of(name), headings_of(name)) == []


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_uses_only_info_strings_that_are_checked(name: str) -> None:
    infos = {block.info for block in blocks_of(text_of(name)) if block.type == "fence"}
    assert infos <= INFOS
    entry = entry_of(name)
    quoted = {f"{entry.language.name} {entry.file_name(half)}" for half in entry.halves if half in ("fixed", "almost")}
    assert {"console", *quoted} <= infos
    assert text_of(name).count(SIDE_BY_SIDE) == (len(entry.languages) > 1)


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_links_to_official_documentation_only(name: str) -> None:
    links = re.findall(r"\]\((\S+?)\)", text_of(name))
    assert len(links) >= 2
    assert [link for link in links if urlsplit(link).netloc not in OFFICIAL] == []
    assert all(link.startswith("https://") for link in links)


TABLES = [(name, FIGURES, entry_of(name).language) for name in LESSONS]
TABLES += [(name, IN_GO, GO) for name in LESSONS if len(entry_of(name).languages) > 1]


@pytest.mark.parametrize(("name", "heading", "language"), TABLES)
def test_lesson_tells_of_every_half_in_its_table(name: str, heading: str, language: Language) -> None:
    rows = [line for line in section_of(name, heading).splitlines() if line.startswith("|")]
    halves = [cell.strip() for cell in rows[0].strip("|").split("|")][1:]
    # A second partial fix may have its figures in the text.
    assert halves == [half_label(half) for half in entry_of(name, language).halves]
    assert {row.count("|") for row in rows} == {len(halves) + 2}


@pytest.mark.parametrize(("name", "block"), every(*sorted(QUOTED)))
def test_quoted_half_is_whole_lines_of_it(name: str, block: Token) -> None:
    file = block.info.split()[1]
    path = SCENARIOS / name / file if Path(file).stem in ALL_HALVES else FIXES / name / file
    source = path.read_text(encoding="utf-8")
    assert f"\n{block.content}" in f"\n{source}", f"line {span(block)[0] + 1} of the lesson is not what the half says"
    if path.suffix == PYTHON.suffix:
        check_syntax(block.content)


@pytest.mark.parametrize(("name", "block"), every("python"))
def test_python_block_compiles(name: str, block: Token) -> None:
    check_syntax(block.content)


@pytest.mark.parametrize(("name", "block"), every("python run"))
def test_program_prints_what_the_lesson_says(name: str, block: Token, tmp_path: Path) -> None:
    output = next(after for before, after in pairwise(blocks_of(text_of(name))) if before.map == block.map)
    assert (output.type, output.info) == ("fence", "text"), "a program is followed by what it prints"
    run = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", block.content],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    assert (run.returncode, run.stderr, run.stdout) == (0, "", output.content)


def test_gofmt_leaves_the_files_in_go_as_they_are() -> None:
    program = shutil.which("gofmt")
    if program is None:
        pytest.skip("gofmt is not on the PATH")
    files = [*SCENARIOS.rglob("*.go"), *MODULE.rglob("*.go")]
    assert files
    checked = subprocess.run([program, "-l", *files], capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stderr, checked.stdout) == (0, "", "")


GOOD = "\n\n".join(["# Title", "> Why.", *(f"## {heading}\n\nText." for heading in HEADINGS)]) + "\n"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("# Title", "Title", "no title"),
        ("> Why.", "Why.", "one block quote"),
        ("> Why.", "Why.\n\n> Too late.", "one block quote"),
        ("> Why.", "> Why.\n\n> Another.", "one block quote"),
        ("> Why.", "> One\n> two\n> three.", "one block quote"),
        ("> Why.", f"> {'why ' * 20}\n> {'why ' * 21}", "at most 160 fit"),
        ("## Symptom\n\nText.\n\n", "", "the headings are"),
        ("## Read more", "## See also", "the headings are"),
        ("## The fix\n\nText.", "## The fix", "nothing under it"),
        ("## Read more\n\nText.\n", "## Read more\n", "nothing under it"),
        ("Text.", "x" * 111, "111 characters"),
        ("## Read more", "```go\n## Read more", "is not closed"),
    ],
)
def test_a_lesson_out_of_shape_is_told(old: str, new: str, problem: str) -> None:
    problems = problems_of_shape(GOOD.replace(old, new, 1), HEADINGS)
    assert [found for found in problems if problem in found]


def test_what_a_block_or_a_table_holds_is_no_problem_of_shape() -> None:
    long = "x" * 200
    block = f"```console\n$ {long}\n# a comment\n> a prompt\n```"
    assert problems_of_shape(f"{GOOD}\n{block}\n\n| a | b |\n|---|---|\n| {long} | c |\n", HEADINGS) == []
