"""The command line: parses, calls, renders; the only place that prints, reads the environment, and exits."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.exceptions import TyperException

import leaklab
from leaklab.errors import ExitCode, LeaklabError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from leaklab.catalog import Catalog, Entry
    from leaklab.result import Result
    from leaklab.runner import Progress
    from leaklab.scenario import Settings

# Commands import what they need when they need it: `leaklab --help` waits for nothing but Typer.

app = typer.Typer(
    name="leaklab",
    help="Runs paired leaky and fixed programs and measures, from outside, what each leaves open.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

T = TypeVar("T")

DEFAULT_TIME_LIMIT_S = 60.0


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


MOST = 10_000_000
"""The highest count an option takes: more steps than any time limit allows."""


def _size(text: str) -> int:
    from leaklab.units import parse_size

    return parse_size(text)


def _duration(text: str) -> float:
    from leaklab.units import parse_duration

    return parse_duration(text)


def _dead(text: str) -> str:
    from leaklab.scenario import DEAD

    if text not in DEAD:
        raise ValueError(f"{text!r} is no way to be dead: there are {', '.join(DEAD)}")
    return text


def _complete_scenario(incomplete: str) -> list[str]:
    from leaklab import catalog

    with contextlib.suppress(LeaklabError):
        return [entry.id for entry in catalog.Catalog().entries if entry.id.startswith(incomplete)]
    return []


Name = Annotated[
    str,
    typer.Argument(help="The scenario's name; `leaklab list` shows them.", autocompletion=_complete_scenario),
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
    typer.Option(metavar="HOW", parser=_parser(_dead), help="How the dead service is dead: silent, drip, drip-head."),
]
Repeat = Annotated[int, typer.Option(metavar="N", parser=_parser(_parse_count), help="Run each half N times, in turn.")]
TimeLimit = Annotated[
    float,
    typer.Option(
        metavar="TIME",
        parser=_parser(_duration),
        help=f"End a half that runs longer than this ({DEFAULT_TIME_LIMIT_S:.0f}s unless set).",
        show_default=False,
    ),
]
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
Json = Annotated[bool, typer.Option("--json", help="Print the result document as JSON.")]
Samples = Annotated[bool, typer.Option("--samples", help="With --json: every sample of the trace too.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"leaklab {leaklab.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("list")
def list_(scenarios: Scenarios = None) -> None:
    """Show what scenarios there are."""
    from leaklab.reports.table import scenario_list

    catalog = _find(scenarios)
    entries = catalog.select([])
    errors = [_error_of(entry) for entry in entries]
    _print(_console(), scenario_list(list(zip(entries, errors, strict=True))))
    for problem in catalog.problems:
        _complain(problem)
    if any(errors) or catalog.problems:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


@app.command()
def show(name: Name, scenarios: Scenarios = None) -> None:
    """Show a scenario's lesson, and its halves with the lines that differ marked."""
    from leaklab.reports.lesson import lesson

    entry = _find(scenarios).get(name)
    console = _console()
    _ = entry.scenario
    _print(console, lesson(entry.lesson, {half: entry.source(half) for half in entry.halves}, console))


@app.command()
def run(
    name: Name,
    steps: Steps = None,
    size: Size = None,
    hang: Hang = None,
    deadline: Deadline = None,
    dead: Dead = None,
    repeat: Repeat = 1,
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT_S,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    as_json: Json = False,
    samples: Samples = False,
) -> None:
    """Run a scenario's leaky and fixed halves and show what each left open."""
    entry = _find(scenarios).get(name)
    wanted = {"steps": steps, "size": size, "hang": hang, "deadline": deadline, "dead": dead}
    if samples and not as_json:
        raise typer.BadParameter("the trace is part of the JSON document: add --json", param_hint="--samples")
    settings = entry.scenario.settings.changed(entry.id, wanted)
    result = _measure(entry, settings, repeat=repeat, time_limit=time_limit, mongo=mongo)
    if as_json:
        from leaklab.reports.json import result_document

        _print_json(result_document(result, samples=samples))
    else:
        from leaklab.reports.table import scenario_result

        _print(_console(), scenario_result(result, entry.why))
    _exit_for([result])


@app.command()
def compare(
    names: Names = None,
    steps: Steps = None,
    size: Size = None,
    hang: Hang = None,
    deadline: Deadline = None,
    dead: Dead = None,
    repeat: Repeat = 1,
    time_limit: TimeLimit = DEFAULT_TIME_LIMIT_S,
    mongo: Mongo = None,
    scenarios: Scenarios = None,
    as_json: Json = False,
    samples: Samples = False,
) -> None:
    """Run several scenarios (all, unless named) and show their halves in one table."""
    if samples and not as_json:
        raise typer.BadParameter("the trace is part of the JSON document: add --json", param_hint="--samples")
    wanted = {"steps": steps, "size": size, "hang": hang, "deadline": deadline, "dead": dead}
    catalog = _find(scenarios)
    entries = catalog.select(names or [])
    usable = [entry for entry in entries if (names or []) or _error_of(entry) is None]
    planned = _plan(usable, wanted, mongo)
    results: list[Result] = []
    for entry, settings, uri in planned:
        results.append(_measure(entry, settings, repeat=repeat, time_limit=time_limit, mongo=uri))
        if results[-1].interrupted:
            break
    if as_json:
        from leaklab.reports.json import comparison_document

        _print_json(comparison_document(results, samples=samples))
    else:
        from leaklab.reports.table import comparison

        console = _console()
        _print(console, comparison(results, console))
        for result in results:
            for surprise in result.surprises:
                _complain(f"{result.scenario}, {surprise}")
    broken = [*[_error_of(entry) for entry in entries if entry not in usable], *([] if names else catalog.problems)]
    for error in broken:
        _complain(str(error))
    _exit_for(results)
    if broken:
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def _plan(entries: list[Entry], wanted: dict[str, Any], mongo: str | None) -> list[tuple[Entry, Settings, str | None]]:
    """What each scenario is run with: each takes the options that it has; one that nobody has is refused."""
    from leaklab.errors import UsageError

    for name, value in wanted.items():
        if value is not None and all(name not in entry.scenario.settings.given() for entry in entries):
            raise UsageError(f"none of {', '.join(entry.id for entry in entries)} has a --{name}")
    if mongo is not None and all("mongo" not in entry.scenario.services for entry in entries):
        raise UsageError(f"none of {', '.join(entry.id for entry in entries)} uses MongoDB: leave --mongo out")
    planned: list[tuple[Entry, Settings, str | None]] = []
    for entry in entries:
        here = entry.scenario.settings.given()
        its = {name: value for name, value in wanted.items() if name in here}
        uri = mongo if "mongo" in entry.scenario.services else None
        planned.append((entry, entry.scenario.settings.changed(entry.id, its), uri))
    return planned


def _measure(entry: Entry, settings: Settings, *, repeat: int, time_limit: float, mongo: str | None) -> Result:
    from leaklab.lab import Options, run_scenario
    from leaklab.runner import Limits

    with _progress(entry.id, settings.steps, repeat) as progress:
        options = Options(
            repeat=repeat,
            limits=Limits(time_s=time_limit),
            mongo_uri=None if mongo == "embedded" else mongo,
            progress=progress,
        )
        return run_scenario(entry, settings, options)


@contextlib.contextmanager
def _progress(label: str, steps: int | None, repeat: int) -> Iterator[Progress]:
    """A progress bar on standard error if that is a terminal, else nothing."""
    from leaklab.runner import no_progress

    if not sys.stderr.isatty():
        yield no_progress
        return
    from leaklab.reports.progress import Bars

    with Bars(_console(stderr=True), label, steps, repeat) as bars:
        yield bars


def _find(scenarios: Path | None) -> Catalog:
    from leaklab import catalog

    return catalog.Catalog(scenarios)


def _error_of(entry: Entry) -> str | None:
    """What is broken about a scenario, None if nothing is."""
    try:
        _ = entry.scenario
    except LeaklabError as error:
        return str(error)
    return None


def _exit_for(results: list[Result]) -> None:
    """Leave with the exit code that the results ask for, if they ask for one."""
    from leaklab.trace import Outcome

    outcomes = [half.outcome for result in results for half in result.halves.values()]
    if any(result.interrupted for result in results):
        raise typer.Exit(ExitCode.INTERRUPTED)
    if Outcome.TIMED_OUT in outcomes:
        raise typer.Exit(ExitCode.TIME_LIMIT)
    if not all(result.as_expected for result in results):
        raise typer.Exit(ExitCode.NOT_AS_EXPECTED)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def _print(console: Console, what: RenderableType) -> None:
    console.print(what)


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=True))  # noqa: T201 # machine-readable: no console in between


def _complain(message: str) -> None:
    print(f"leaklab: {message}", file=sys.stderr)  # noqa: T201 # an error needs no console


def _interrupted(number: int, _: object) -> None:
    """End on SIGTERM and SIGHUP as on Ctrl-C: everything that was started is ended on the way out."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


_IN_ASCII = str.maketrans({"–": "-", "→": "->", "…": "...", "×": "x", "▸": ">", "·": "-", "’": "'"})


def _write_what_the_terminal_can() -> None:
    """Where output cannot be encoded (ASCII terminals and pipes), write the nearest plain character."""
    import codecs

    def nearest(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        part = error.object[error.start : error.end].translate(_IN_ASCII)
        return part.encode("ascii", "replace").decode("ascii"), error.end

    codecs.register_error("leaklab", nearest)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="leaklab")


def main() -> None:
    """Run the command line; every error becomes a line for a person and an exit code."""
    _write_what_the_terminal_can()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupted)
    sys.exit(_run_app())


def _run_app() -> int:
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except LeaklabError as error:
        _complain(str(error))
        return error.exit_code
    except TyperException as error:
        if message := error.format_message():
            _complain(f"{message} (leaklab --help shows what there is)")
        return ExitCode.WRONG_USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        # Whoever read our output has gone: that is no error of theirs, and there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        if os.environ.get("LEAKLAB_DEBUG"):
            raise
        _complain(f"this is a defect of leaklab: {type(error).__name__}: {error} (LEAKLAB_DEBUG=1 shows where)")
        return ExitCode.COULD_NOT_MEASURE
    return int(code or 0)


if __name__ == "__main__":
    main()
