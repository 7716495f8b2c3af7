"""Values as they are typed: made without pydantic, and as Typer makes them."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from leaklab.cli import command_line
from leaklab.commands import helping
from leaklab.commands.helping import GroupedCommands, PlainCommand

TYPED = [
    [],
    ["name"],
    ["name", "--text", "é", "--number", "3"],
    ["name", "--texts", "a", "--texts", "", "--file", "x/y", "--flag"],
    ["name", "one", "two", "--texts", "a"],
    ["name", "--number", "x"],
    ["name", "--made", "abc"],
    ["name", "--made", ""],
    ["name", "--text"],
    ["name", "--text", "a", "--no-such"],
]


def said(arguments: list[str]) -> tuple[int, str]:
    """What a command makes of these arguments, and how it ends."""
    app = typer.Typer(cls=GroupedCommands, rich_markup_mode=None)

    def made_of(text: str) -> Path:
        if not text:
            raise ValueError("nothing was given")
        return Path(text) / "made"

    def command(
        name: str,
        more: Annotated[list[Path] | None, typer.Argument()] = None,
        text: str | None = None,
        texts: Annotated[list[str] | None, typer.Option()] = None,
        file: Path | None = None,
        number: int = 7,
        flag: bool = False,
        made: Annotated[Path | None, typer.Option(parser=made_of)] = None,
    ) -> None:
        """Say what was given."""
        typer.echo(repr((name, more, text, texts, file, number, flag, made)))

    app.callback()(lambda: None)
    app.command("do", cls=PlainCommand)(command)
    finished = CliRunner().invoke(app, ["do", *arguments])
    return finished.exit_code, finished.output


@pytest.mark.parametrize("arguments", TYPED, ids=" ".join)
def test_values_are_those_that_typer_makes(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ours = said(arguments)
    monkeypatch.setattr(helping, "_take_as_typed", lambda _: None)
    assert ours == said(arguments)


def test_no_command_line_imports_pydantic() -> None:
    """It takes longer to import than Typer."""
    code = """
import sys
from leaklab import cli
for arguments in (
    "run nope --steps 3 --set a=1 --set b=2 --json", "check nope.py --scenario x -o out.json", "progress a b",
    "compare nope other", "list", "--version", "solution nope.py", "new x /nope/y", "doctor --mongo x",
):
    sys.argv = ["leaklab", *arguments.split()]
    try:
        cli.main()
    except SystemExit:
        pass
    assert "pydantic" not in sys.modules, arguments
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_the_whole_command_line_has_all_commands_and_a_part_of_it_has_one() -> None:
    names = [command.name for command in command_line().registered_commands]
    assert len(names) == len(set(names)) == 17
    assert [command.name for command in command_line("run").registered_commands] == ["run"]
