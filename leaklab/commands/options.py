"""The options and arguments that commands share: how each is written and explained."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaklab.errors import LeaklabError

if TYPE_CHECKING:
    from leaklab.reports.formats import Report


def _complete_scenario(incomplete: str) -> list[str]:
    from leaklab.content import catalog

    wanted = incomplete.lower().replace("_", "-")
    with contextlib.suppress(LeaklabError):
        return [entry.id for entry in catalog.Catalog().entries if entry.id.startswith(wanted)]
    return []


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A scenario, as in `leaklab list`.", autocompletion=_complete_scenario)
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Scenarios; all if none is named.", autocompletion=_complete_scenario),
]
ScenarioName = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="NAME",
        help="The scenario of a file not made with `start`.",
        autocompletion=_complete_scenario,
    ),
]
Scenarios = Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of your own scenarios, in addition.")]
File = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="The exercise. Optional if the folder has only one.")
]
Folder = Annotated[Path, typer.Argument(metavar="[DIR]", help="The folder of the exercises. Default: this folder.")]
Steps = Annotated[
    str | None, typer.Option(metavar="N", help="Units of work, 1 to 10,000,000. Default: the scenario's.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the scenario; `leaklab show` lists them."),
]
Repeat = Annotated[str, typer.Option(metavar="N", help="Run each half N times, up to 10,000.", show_default=True)]
Limit = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Limit each half: time, memory, threads, fds, output.")
]
Mongo = Annotated[str | None, typer.Option(metavar="URI", help="A MongoDB server. Default: embedded, leaklab's own.")]
Almost = Annotated[bool, typer.Option("--almost", help="Also run the partial fix, if there is one.")]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the report to a file.")]
Samples = Annotated[bool, typer.Option("--samples", help="With --json: add every sample of the trace.")]


def format_of(report: Report) -> Any:
    """The option --format of a command that shows this report."""
    first, *others = report.renderers
    return typer.Option("--format", metavar="FORMAT", help=", ".join([f"{first} (default)", *others]) + ".")
