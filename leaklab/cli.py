"""The command line: gathers the commands, and turns every error into a line for a person and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

import leaklab
from leaklab.commands import about, authoring, measuring, output, reading, workshop
from leaklab.errors import ExitCode, LeaklabError
from leaklab.system import interrupts

# Commands import what they need when they need it: `leaklab --help` waits for nothing but Typer.

app = typer.Typer(
    name="leaklab",
    help="Runs paired leaky and fixed programs and measures, from outside, what each leaves open.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.command("list")(reading.list_)
app.command()(reading.show)
app.command()(measuring.run)
app.command()(measuring.compare)
app.command()(measuring.validate)
app.command()(workshop.start)
app.command()(workshop.check)
app.command()(workshop.watch)
app.command()(workshop.hint)
app.command()(workshop.solution)
app.command()(workshop.progress)
app.command()(workshop.reset)
app.command()(authoring.new)
app.command()(about.doctor)
app.command()(about.schema)


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


LEAST_COLUMNS = 20
"""Columns below which nothing can be shown: COLUMNS says 0 where somebody did not know."""


def main() -> None:
    """Run the command line; every error becomes a line for a person and an exit code."""
    output.open_what_is_closed()
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) < LEAST_COLUMNS:
        del os.environ["COLUMNS"]
    output.write_what_the_terminal_can()
    interrupts.end_by_signal()
    code = _run_app()
    interrupts.ignore()
    sys.exit(code)


def _run_app() -> int:  # noqa: PLR0911 # each kind of end has its own code
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except LeaklabError as error:
        output.complain(str(error))
        return error.exit_code
    except TyperException as error:
        if message := error.format_message():
            output.complain(f"{message} (leaklab --help shows what there is)")
        return ExitCode.WRONG_USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except OSError as error:
        return _system_refuses(error)
    except SystemExit as error:
        # Rich and Typer leave like this, with 1, when their output cannot be written.
        return _unheard() if error.code == 1 else _defect(error)
    except BaseException as error:  # noqa: BLE001 # nobody sees our traceback
        return _defect(error)
    return int(code or 0)


def _system_refuses(error: OSError) -> int:
    """What the system refused, told as what it means here."""
    if error.errno in (errno.EPIPE, errno.EIO):
        return _unheard()
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        output.complain(f"what is said here cannot be written: {error.strerror}. Make room, or write it elsewhere.")
        output.nobody_listens()
        return ExitCode.COULD_NOT_MEASURE
    if error.errno in (errno.EMFILE, errno.ENFILE):
        output.complain("a process may open too few files here (ulimit -n): raise that to 256 or more.")
        return ExitCode.COULD_NOT_MEASURE
    return _defect(error)


def _unheard() -> int:
    """Whoever read our output has gone before anything was measured."""
    output.nobody_listens()
    return ExitCode.DONE


def _defect(error: BaseException) -> int:
    if os.environ.get("LEAKLAB_DEBUG"):
        raise error
    output.complain(f"this is a defect of leaklab: {type(error).__name__}: {error} (LEAKLAB_DEBUG=1 shows where)")
    return ExitCode.COULD_NOT_MEASURE


if __name__ == "__main__":
    main()
