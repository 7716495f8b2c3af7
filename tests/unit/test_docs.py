"""What the documents say is true: their commands can be typed, and their figures are those of the corpus."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from leaklab.cli import command_line

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("scenarios/*/lesson.md"))]
COMMAND = re.compile(r"(?:^\$ |`)(leaklab (?!works here)[a-z][^`#\n]*)", re.MULTILINE)

TYPED = sorted({found.strip() for path in DOCUMENTS for found in COMMAND.findall(path.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("typed", TYPED)
def test_a_command_in_the_documents_has_these_options(typed: str) -> None:
    _, name, *words = shlex.split(typed.replace("…", "x"))
    # What follows is another program's.
    arguments = words[: words.index("--")] if "--" in words else words
    group = typer.main.get_command(command_line())
    context = group.make_context("leaklab", [name], resilient_parsing=True)
    command = group.get_command(context, name)  # type: ignore[attr-defined] # Typer's own group has it
    assert command is not None
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    assert used - known - {"--help"} == set()


def test_the_figures_of_the_corpus_are_those_of_its_files() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    kinds = ("right", "wrong", "either")
    right, wrong, either = (len(list((ROOT / "tests" / "fixes").glob(f"*/{kind}_*.py"))) for kind in kinds)
    assert f"{right + wrong + either} files, {right} of them right, {wrong} wrong or dishonest and {either}" in text
