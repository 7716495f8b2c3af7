"""The options and arguments that commands share: how each is written, parsed and explained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from leaklab.errors import LeaklabError
from leaklab.system.limits import LEARNERS_TIME_LIMIT_S, MEMORY_SHARE, OUTPUT, THREADS, TIME_LIMIT_S

T = TypeVar("T")

MOST = 10_000_000
"""The highest count an option takes: more steps than anybody waits for."""


def _parser(parse: Callable[[str], T]) -> Callable[[str | T], T]:
    """Make the words of a ValueError the words of Typer's message. Typer hands over defaults too: they stay."""

    def parse_option(text: str | T) -> T:
        if not isinstance(text, str):
            return text
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parse_option


def _parse_count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number: write one from 1, like 50") from None
    if value < 1:
        raise ValueError(f"{text} is too few: write a whole number from 1, like 50")
    if value > MOST:
        raise ValueError(f"{text} is too many: write a whole number up to {MOST:,}")
    return value


MOST_BYTES = 2**60
"""The highest size an option takes: more than any machine has, and no more than the system can count."""

LEAST_DESCRIPTORS = 32
"""Descriptors that a half needs to be imported."""


def _size(text: str) -> int:
    from leaklab.units import format_size, parse_size

    size = parse_size(text)
    if size > MOST_BYTES:
        raise ValueError(f"{text} is more than any machine has: write a size up to {format_size(MOST_BYTES)}")
    return size


def _descriptors(text: str) -> int:
    count = _parse_count(text)
    if count < LEAST_DESCRIPTORS:
        raise ValueError(f"{text} is too few: a half needs {LEAST_DESCRIPTORS} to be imported")
    return count


def _duration(text: str) -> float:
    from leaklab.units import parse_duration

    return parse_duration(text)


def _dead(text: str) -> str:
    from leaklab.content.declaration import DEAD

    if text not in DEAD:
        raise ValueError(f"{text!r} is no way to be dead: there are {', '.join(DEAD)}")
    return text


def _complete_scenario(incomplete: str) -> list[str]:
    from leaklab.content import catalog

    wanted = incomplete.lower().replace("_", "-")
    with contextlib.suppress(LeaklabError):
        return [entry.id for entry in catalog.Catalog().entries if entry.id.startswith(wanted)]
    return []


def _complete_dead(incomplete: str) -> list[str]:
    from leaklab.content.declaration import DEAD

    return [how for how in DEAD if how.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(help="The scenario's name; `leaklab list` shows them.", autocompletion=_complete_scenario),
]
ScenarioName = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="NAME",
        help="The scenario of a file that was not made with `start`.",
        autocompletion=_complete_scenario,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Scenario names; none means all.", autocompletion=_complete_scenario),
]
Steps = Annotated[int | None, typer.Option(metavar="N", parser=_parser(_parse_count), help="Units of work, like 50.")]
Size = Annotated[
    int | None,
    typer.Option(metavar="SIZE", parser=_parser(_size), help="Size of the buffer, like 256MiB or 3.2GB."),
]
Hang = Annotated[
    float | None,
    typer.Option(metavar="TIME", parser=_parser(_duration), help="How long the dead service is dead, like 3s."),
]
Deadline = Annotated[
    float | None,
    typer.Option(metavar="TIME", parser=_parser(_duration), help="When the answer is needed, like 500ms."),
]
Dead = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        parser=_parser(_dead),
        help="How the dead service is dead: silent, drip, drip-head.",
        autocompletion=_complete_dead,
    ),
]
Repeat = Annotated[int, typer.Option(metavar="N", parser=_parser(_parse_count), help="Run each half N times, in turn.")]
LIMITS = "Limits of a half"


def _time_limit(default_s: float) -> Any:
    """The option --time-limit, whose default differs from command to command."""
    return typer.Option(
        metavar="TIME",
        parser=_parser(_duration),
        help=f"End a half that runs longer than this ({default_s:.0f}s unless set).",
        show_default=False,
        rich_help_panel=LIMITS,
    )


TimeLimit = Annotated[float, _time_limit(TIME_LIMIT_S)]
LearnersTimeLimit = Annotated[float, _time_limit(LEARNERS_TIME_LIMIT_S)]
Mongo = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="A real MongoDB server, like mongodb://HOST:27017; `embedded` (the default) is leaklab's own.",
    ),
]
Scenarios = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A folder with scenarios of your own, besides the built-in ones."),
]
Almost = Annotated[bool, typer.Option("--almost", help="Run the tempting half-fix too, where there is one.")]
UntilFailure = Annotated[
    bool,
    typer.Option("--until-failure", help="Let the leaky half run under a low limit until it dies, and the fixed too."),
]
Predict = Annotated[
    bool,
    typer.Option("--predict", help="Guess what will be measured, before anything is shown."),
]
Guesses = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Guesses of a whole room, as CSV: who,half,metric,guess. Implies --predict."),
]
MemoryLimit = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=_parser(_size),
        help=f"End a half that holds more memory ({MEMORY_SHARE:.0%} of what is free unless set).",
        rich_help_panel=LIMITS,
    ),
]
ThreadLimit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=_parser(_parse_count),
        help=f"End a half that has more threads ({THREADS} unless set).",
        rich_help_panel=LIMITS,
    ),
]
DescriptorLimit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=_parser(_descriptors),
        help="Let a half open no more descriptors (what the system allows unless set).",
        rich_help_panel=LIMITS,
    ),
]
OutputLimit = Annotated[
    int | None,
    typer.Option(
        metavar="SIZE",
        parser=_parser(_size),
        help=f"Keep no more of what a half prints ({OUTPUT // 2**10}KiB unless set).",
        rich_help_panel=LIMITS,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result document as JSON.")]
AllChecks = Annotated[bool, typer.Option("--all", help="Show every check, not only the problems.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown, for a wiki.")]
Samples = Annotated[bool, typer.Option("--samples", help="With --json: every sample of the trace too.")]
