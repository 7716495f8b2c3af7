"""The lessons: one shape for all, no line too long, and every block of code in them is what it says it is.

A block's info string says how it is checked:

* `python run`: a complete program; it is run, and a `text` block right after it is what it must print.
* `python leaky.py` (or almost.py, fixed.py): lines of that half, verbatim.
* `python`: compiles.
* `go`: a complete file that gofmt accepts as it stands.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest

SCENARIOS = Path(__file__).parents[3] / "scenarios"
LESSONS = {path.parent.name: path for path in sorted(SCENARIOS.glob("*/lesson.md"))}

HEADINGS = [
    "Symptom",
    "What happens",
    "The fix",
    "The partial fix, and why it is not enough",
    "The same in Go",
    "See it on a live system",
    "Where the figures come from",
    "Read more",
]
INFOS = {"python", "python run", "python leaky.py", "python almost.py", "python fixed.py"}
INFOS |= {"go", "console", "text"}
OFFICIAL = {
    "docs.python.org",
    "go.dev",
    "man7.org",
    "pkg.go.dev",
    "pymongo.readthedocs.io",
    "requests.readthedocs.io",
    "urllib3.readthedocs.io",
    "www.mongodb.com",
}
LINE, WHY = 110, 160  # characters
RUN_WITHIN_S = 60.0


@dataclass(frozen=True)
class Block:
    """One fenced block: its info string, its code, and the line after its closing fence."""

    info: str
    code: str
    start: int
    end: int


def blocks_of(markdown: str) -> list[Block]:
    """All fenced blocks, in order; ValueError for a fence that is not closed."""
    found: list[Block] = []
    info, start, code = None, 0, list[str]()
    for number, line in enumerate(markdown.splitlines(), 1):
        if not line.startswith("```"):
            code.append(line)
        elif info is None:
            info, start, code = line[3:].strip(), number, []
        else:
            found.append(Block(info, "\n".join(code) + "\n", start, number))
            info = None
    if info is not None:
        raise ValueError(f"the fence of line {start} is not closed")
    return found


def prose_of(markdown: str) -> list[tuple[int, str]]:
    """The lines outside fenced blocks and tables, each with its number."""
    fenced = {n for block in blocks_of(markdown) for n in range(block.start, block.end + 1)}
    lines = enumerate(markdown.splitlines(), 1)
    return [(number, line) for number, line in lines if number not in fenced and not line.startswith("|")]


def quotes_of(markdown: str) -> list[list[tuple[int, str]]]:
    """The block quotes: runs of lines that start with `>`."""
    quoted = [(number, line) for number, line in prose_of(markdown) if line.startswith(">")]
    runs: list[list[tuple[int, str]]] = []
    for number, line in quoted:
        if runs and runs[-1][-1][0] == number - 1:
            runs[-1].append((number, line))
        else:
            runs.append([(number, line)])
    return runs


def problems_of_shape(markdown: str) -> list[str]:
    """What is wrong with the title, the block quote, the headings and the lengths of lines; empty if nothing is."""
    problems: list[str] = []
    prose = prose_of(markdown)
    if not re.fullmatch(r"# \S.*", prose[0][1]):
        problems.append("the first line is no title")
    quotes = quotes_of(markdown)
    if len(quotes) != 1 or quotes[0][0][0] != 3 or len(quotes[0]) > 2:
        problems.append("there must be one block quote, in line 3, of one or two lines")
    elif not 0 < len(why := " ".join(line[1:].strip() for _, line in quotes[0])) <= WHY:
        problems.append(f"the block quote has {len(why)} characters, at most {WHY} fit under a table")
    headings = [line.lstrip("# ") for _, line in prose[1:] if line.startswith("#")]
    if headings != HEADINGS:
        problems.append(f"the headings are {headings}")
    filled = {line for _, line in prose if line.startswith("## ")}
    text = markdown.splitlines()
    problems += [f"{line!r} has nothing under it" for line in filled if not _has_text(text, text.index(line))]
    problems += [f"line {number} has {len(line)} characters" for number, line in prose if len(line) > LINE]
    return problems


def _has_text(lines: list[str], heading: int) -> bool:
    after = next((line for line in lines[heading + 1 :] if line), "# the end")
    return not after.startswith("#")


def verbatim(snippet: str, source: str) -> bool:
    """Whether `snippet` is whole lines of `source`, indentation included, none left out in between."""
    return f"\n{snippet}" in f"\n{source}"


def compiles(snippet: str) -> str | None:
    """What is wrong with `snippet` as the inside of a function; None if nothing is."""
    try:
        compile("def snippet():\n" + textwrap.indent(textwrap.dedent(snippet), "    "), "lesson.md", "exec")
    except SyntaxError as error:
        return str(error)
    return None


def every(*infos: str) -> list[object]:
    """The blocks of all lessons with one of `infos`, as parameters of a test."""
    return [
        pytest.param(name, block, id=f"{name}:{block.start}")
        for name, path in LESSONS.items()
        for block in blocks_of(path.read_text(encoding="utf-8"))
        if block.info in infos
    ]


def gofmt(code: str) -> subprocess.CompletedProcess[str]:
    """Run gofmt on one file: what it complains of, and the file as it should be."""
    program = shutil.which("gofmt")
    if program is None:
        pytest.skip("gofmt is not on PATH, so the Go code of the lessons cannot be checked")
    return subprocess.run([program, "-e"], input=code, capture_output=True, text=True, timeout=60, check=False)


def test_there_is_a_lesson_for_every_scenario() -> None:
    assert set(LESSONS) == {path.parent.name for path in SCENARIOS.glob("*/scenario.py")}
    assert LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_has_the_shape_of_all_lessons(name: str) -> None:
    assert problems_of_shape(LESSONS[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_uses_only_info_strings_that_are_checked(name: str) -> None:
    infos = [block.info for block in blocks_of(LESSONS[name].read_text(encoding="utf-8"))]
    assert set(infos) <= INFOS
    assert {"go", "console", "python fixed.py", "python almost.py"} <= set(infos)


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_links_to_official_documentation_only(name: str) -> None:
    links = re.findall(r"\]\((\S+?)\)", LESSONS[name].read_text(encoding="utf-8"))
    assert len(links) >= 2
    assert [link for link in links if urlsplit(link).netloc not in OFFICIAL] == []
    assert all(link.startswith("https://") for link in links)


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_tells_of_every_half_in_its_table(name: str) -> None:
    rows = [line for line in LESSONS[name].read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    halves = [cell.strip() for cell in rows[0].strip("|").split("|")][1:]
    assert halves == ["leaky", "partial fix", "fixed"]
    assert {row.count("|") for row in rows} == {5}


@pytest.mark.parametrize(("name", "block"), every("python leaky.py", "python almost.py", "python fixed.py"))
def test_quoted_half_is_verbatim(name: str, block: Block) -> None:
    source = (SCENARIOS / name / block.info.split()[1]).read_text(encoding="utf-8")
    assert verbatim(block.code, source), f"line {block.start} of the lesson quotes what the half does not say"
    assert compiles(block.code) is None


@pytest.mark.parametrize(("name", "block"), every("python"))
def test_python_block_compiles(name: str, block: Block) -> None:
    assert compiles(block.code) is None


@pytest.mark.parametrize(("name", "block"), every("python run"))
def test_program_prints_what_the_lesson_says(name: str, block: Block, tmp_path: Path) -> None:
    blocks = blocks_of(LESSONS[name].read_text(encoding="utf-8"))
    output = next(after for before, after in pairwise(blocks) if before == block)
    assert (output.info, output.start) == ("text", block.end + 2), "a program is followed by what it prints"
    run = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", block.code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == output.code


@pytest.mark.parametrize(("name", "block"), every("go"))
def test_go_block_is_a_file_that_gofmt_leaves_as_it_is(name: str, block: Block) -> None:
    assert block.code.startswith("package ")
    checked = gofmt(block.code)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == block.code


GOOD = "\n\n".join(["# Title", "> Why.", *(f"## {heading}\n\nText." for heading in HEADINGS)]) + "\n"


def test_a_good_lesson_has_no_problem_of_shape() -> None:
    assert problems_of_shape(GOOD) == []


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
    ],
)
def test_a_lesson_out_of_shape_is_told(old: str, new: str, problem: str) -> None:
    problems = problems_of_shape(GOOD.replace(old, new, 1))
    assert [found for found in problems if problem in found]


def test_long_lines_of_code_and_tables_are_no_problem() -> None:
    long = "x" * 200
    assert problems_of_shape(f"{GOOD}\n```console\n$ {long}\n```\n\n| {long} |\n") == []


def test_a_heading_inside_a_block_is_no_heading() -> None:
    assert problems_of_shape(f"{GOOD}\n```console\n# a comment\n> a prompt\n```\n") == []


def test_a_fence_that_is_not_closed_is_told() -> None:
    with pytest.raises(ValueError, match="line 2 is not closed"):
        blocks_of("text\n```go\npackage lost\n")


@pytest.mark.parametrize("snippet", ["    second()\n", "    third()\n    fourth()\n"])
def test_whole_lines_are_verbatim(snippet: str) -> None:
    assert verbatim(snippet, "def half():\n    second()\n    third()\n    fourth()\n")


@pytest.mark.parametrize(
    "snippet", ["second()\n", "    second()\n    fourth()\n", "    secon\n", "    second()  # here\n"]
)
def test_changed_or_shortened_lines_are_not_verbatim(snippet: str) -> None:
    assert not verbatim(snippet, "def half():\n    second()\n    third()\n    fourth()\n")


def test_broken_python_is_told() -> None:
    assert compiles("        return {}\n") is None
    assert "was never closed" in str(compiles("run(\n"))


@pytest.mark.parametrize("code", ["package broken\n\nfunc {\n", "package crooked\n\nvar  x = 1\n"])
def test_broken_or_crooked_go_is_told(code: str) -> None:
    checked = gofmt(code)
    assert checked.stderr or checked.stdout != code
