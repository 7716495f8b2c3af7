"""The options and arguments that commands share: how each is written and explained, and what it means."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from leaklab.content.languages import GO, LANGUAGES, PYTHON, Language
from leaklab.content.settings import COUNT, DURATION, SIZE, Setting, Settings, Value
from leaklab.errors import LeaklabError, UsageError
from leaklab.system.limits import MEMORY_SHARE, OUTPUT, THREADS, TIME_LIMIT_S, Limits
from leaklab.units import without_password, written_size

if TYPE_CHECKING:
    from leaklab.content.catalog import Entry
    from leaklab.lab.run_options import RunOptions
    from leaklab.reports.formats import Report

LIMITS = (
    Setting("time", DURATION, None, "how long it may run"),
    Setting("memory", SIZE, None, f"how much it may hold, by default {MEMORY_SHARE:.0%} of what is free"),
    Setting("threads", COUNT, None, f"how many it may have, by default {THREADS:,}"),
    # To be imported, a half needs some 30 descriptors.
    Setting("fds", COUNT, None, "how many files it may open", least=32),
    Setting("output", SIZE, None, f"how much of its output is kept, by default {written_size(OUTPUT)}"),
)
"""The limits that --limit sets; but for `time`, each is a field of `Limits`."""


def _complete(incomplete: str) -> list[str]:
    from leaklab.content import catalog

    wanted = incomplete.lower().replace("_", "-")
    with contextlib.suppress(LeaklabError):
        return [entry.id for entry in catalog.Catalog().entries if entry.id.startswith(wanted)]
    return []


def _file(text: str) -> Path:
    if not text:
        raise UsageError("--output is empty. Choose another name.")
    # `Path` drops the slash of a folder.
    if text.endswith(os.sep):
        raise UsageError(f"--output {text}: this names a folder. Choose another name.")
    return Path(text)


Text = str | None
Texts = list[str] | None

Name = Annotated[str, Argument(metavar="NAME", help="A scenario, as in `leaklab list`.", autocompletion=_complete)]
Names = Annotated[
    Texts, Argument(metavar="[NAME]...", help="Scenarios; all if none is named.", autocompletion=_complete)
]
ScenarioName = Annotated[
    Text,
    Option(
        "--scenario", metavar="NAME", help="The scenario of a file not made with `start`.", autocompletion=_complete
    ),
]
Lang = Annotated[Text, Option(metavar="LANG", help="The language of the halves: python (default) or go.")]
Langs = Annotated[Text, Option("--lang", metavar="LANG", help="python (default), go, or python,go: side by side.")]
Scenarios = Annotated[Path | None, Option(metavar="DIR", help="A folder of your own scenarios, in addition.")]
File = Annotated[
    Path | None, Argument(metavar="[FILE]", help="The exercise. Of several in the folder, you are asked which.")
]
Folder = Annotated[Path, Argument(metavar="[DIR]", help="The folder of the exercises. Default: this folder.")]
Folders = Annotated[
    list[Path] | None,
    # One that may not be read does not keep the others from being shown.
    Argument(metavar="[DIR]...", help="Folders of exercises, a learner's each. Default: this.", readable=False),
]
Steps = Annotated[Text, Option(metavar="N", help="Units of work, 1 to 10,000,000. Default: the scenario's.")]
Set = Annotated[
    Texts, Option("--set", metavar="NAME=VALUE", help="A setting of the scenario; `leaklab show` lists them.")
]
Repeat = Annotated[str, Option(metavar="N", help="Run each half N times, up to 10,000.", show_default=True)]
Limit = Annotated[Texts, Option(metavar="NAME=VALUE", help="Limit each half: time, memory, threads, fds, output.")]
Mongo = Annotated[Text, Option(metavar="URI", help="A MongoDB server. Default: embedded, leaklab's own.")]
Almost = Annotated[bool, Option("--almost", help="Include the partial fixes, if there are any.")]
NoExplain = Annotated[bool, Option("--no-explain", help="Leave out which line leaks, and what keeps it.")]
Json = Annotated[bool, Option("--json", help="Short for --format json.")]
Output = Annotated[
    Path | None, Option("--output", "-o", metavar="FILE", help="Write the report to a file.", parser=_file)
]
Samples = Annotated[bool, Option("--samples", help="With --json: add every sample of the trace.")]


def format_of(report: Report) -> Any:
    """The option --format of a command that shows this report."""
    first, *others = report.renderers
    return Option("--format", metavar="FORMAT", help=", ".join([f"{first} (default)", *others]) + ".")


def limits_from_options(texts: Sequence[str] | None, time_s: float) -> Limits:
    """The limits that --limit sets, or else `time_s`. Raises UsageError if one is unknown, repeated or out of range."""
    limits = {limit.name: limit for limit in LIMITS}
    changes: dict[str, Any] = {"time": time_s}
    for name, text in _pairs("--limit", texts, "memory=2GiB").items():
        if name not in limits:
            known = ", ".join(f"{one.name} ({one.help})" for one in LIMITS)
            raise UsageError(f"--limit {name}={text}: there is no limit {name!r}. The limits of a half are {known}")
        changes[name] = _parsed(f"--limit {name}={text}", limits[name], text)
    return replace(Limits(), time_s=changes.pop("time"), **changes)


def time_limit(texts: Sequence[str] | None, time_s: float) -> float:
    """Seconds that --limit time=… sets, or else `time_s`. Raises UsageError for another limit, or a wrong one."""
    if others := [text for text in texts or () if not text.startswith("time=")]:
        raise UsageError(f"--limit {others[0]}: here only the time is limited: write --limit time=30s")
    return limits_from_options(texts, time_s).time_s


def duration(option: str, text: str) -> float:
    """Seconds that an option gives. Raises UsageError if it is not a duration above zero."""
    return float(_parsed(f"{option} {text}", Setting("duration", DURATION), text))


def count(option: str, text: str, most: int) -> int:
    """The number that an option gives, 1 to `most`. Raises UsageError if it is not one."""
    return int(_parsed(f"{option} {text}", Setting("count", COUNT, most=most), text))


def given_settings(steps: str | None, texts: Sequence[str] | None) -> dict[str, str]:
    """What --steps and --set give, by the setting's name. Raises UsageError if a setting is given twice."""
    given = _pairs("--set", texts, "steps=50")
    if steps is not None:
        if "steps" in given:
            raise UsageError(f"--steps {steps} and --set steps={given['steps']}: leave one of them out")
        given["steps"] = steps
    return given


def settings_from_options(scenario: str, settings: Settings, given: Mapping[str, str]) -> Settings:
    """The settings of `scenario` with those given. Raises UsageError if it has no such setting, or not that value."""
    values: dict[str, Value] = {}
    for name, text in given.items():
        option = f"--steps {text}" if name == "steps" else f"--set {name}={text}"
        values[name] = _parsed(option, settings.setting(scenario, name), text)
    return settings.changed(scenario, values)


def _pairs(option: str, texts: Sequence[str] | None, example: str) -> dict[str, str]:
    """The values of an option that is written NAME=VALUE, by name."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"{option} {text}: write {option} NAME=VALUE, like {option} {example}")
        if name in found:
            raise UsageError(f"{option} {name} is given twice, as {found[name]} and as {value}: leave one of them out")
        found[name] = value
    return found


def _parsed(option: str, setting: Setting, text: str) -> Value:
    try:
        return setting.parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def run_options(
    limit: Sequence[str] | None, repeat: str, mongo: str | None, time_s: float = TIME_LIMIT_S, *, explain: bool = False
) -> RunOptions:
    """How halves are run, as --limit, --repeat and --mongo say. Raises UsageError as the parts do."""
    from leaklab.lab.run_options import RunOptions

    times = int(_parsed(f"--repeat {repeat}", Setting("repeat", COUNT, most=10_000), repeat))
    if times > 1:
        gc.enable()  # it goes on for long
    limits, server = limits_from_options(limit, time_s), mongo_uri(mongo)
    given = any(text.startswith("time=") for text in limit or ())
    return RunOptions(repeat=times, limits=limits, keep_time_limit=given, mongo_uri=server, explain=explain)


def languages_of(text: str | None) -> list[Language]:
    """The languages that --lang names, each once; Python if it is left out. Raises UsageError for an unknown one."""
    if text is None:
        return [PYTHON]
    names = [name.strip().lower() for name in text.split(",")]
    if unknown := [name for name in names if name not in LANGUAGES]:
        raise UsageError(f"--lang {text}: unknown language {unknown[0]!r}. Write {' or '.join(LANGUAGES)}.")
    return [LANGUAGES[name] for name in dict.fromkeys(names)]


def language_of(text: str | None) -> Language | None:
    """The language that --lang names; None if it is left out. Raises UsageError for an unknown one, and for several."""
    found = languages_of(text)
    if len(found) > 1:
        raise UsageError(f"--lang {text}: one language at a time here; `leaklab compare --lang {text}` shows both")
    return None if text is None else found[0]


def built(entries: Iterable[Entry]) -> None:
    """Build the halves that are in Go, before anything is measured; a line says what takes long.

    Raises ScenarioError if one does not compile, and MeasureError if they cannot be built here.
    """
    in_go = [entry for entry in entries if entry.language is GO]
    if in_go:
        from leaklab.lab.runtimes import prepare

        prepare(in_go, _say_once)


def _say_once(words: str) -> None:
    from leaklab.commands.output import say_aside

    if words not in _SAID:
        _SAID.add(words)
        say_aside(f"{words} …\n")


_SAID: set[str] = set()


def why_not_built(entry: Entry) -> str | None:
    """Why the halves of a scenario that are in Go cannot be built; None if they can, or are in Python.

    Raises NoGoError if there is no Go: then none can be.
    """
    from leaklab.golang.toolchain import NoGoError

    try:
        built([entry])
    except NoGoError:
        raise
    except LeaklabError as error:
        return str(error)
    return None


def mongo_uri(mongo: str | None) -> str | None:
    """The server that --mongo names, None for the embedded one. Raises UsageError if it is not the URI of one."""
    if mongo in (None, "embedded"):
        return None
    if not mongo.startswith(("mongodb://", "mongodb+srv://")):
        raise UsageError(
            f"--mongo {without_password(mongo)}: not a valid MongoDB URI. Write mongodb://HOST:PORT, or embedded."
        )
    return mongo


def halves_of(entry: Entry, *, almost: bool) -> Sequence[str]:
    """The halves that are run or shown."""
    from leaklab.content.declaration import PARTIAL_FIXES

    return [half for half in entry.halves if almost or half not in PARTIAL_FIXES]


def options_of_each(entries: Sequence[Entry], how: RunOptions) -> list[tuple[Entry, RunOptions]]:
    """Each scenario and how it is run: --mongo is for those that use MongoDB. Raises UsageError if none does."""
    with_mongo = [entry for entry in entries if entry.error is None and "mongo" in entry.scenario.services]
    if how.mongo_uri is not None and not with_mongo:
        raise UsageError(f"none of {', '.join(entry.id for entry in entries)} uses MongoDB: leave --mongo out")
    return [(entry, how if entry in with_mongo else replace(how, mongo_uri=None)) for entry in entries]
