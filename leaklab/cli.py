"""The command line: gathers the commands, and turns every error into a line for a person and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Annotated

import typer
from typer.exceptions import TyperException

import leaklab
from leaklab.commands import output
from leaklab.commands.helping import GroupedCommands, PlainCommand
from leaklab.errors import ExitCode, LeaklabError
from leaklab.system import interrupts

COMMANDS = {
    "Look": ("list", "show", "run", "compare"),
    "Workshop": ("start", "check", "watch", "hint", "solution", "progress", "reset"),
    "Author": ("new", "validate", "schema", "doctor"),
}
"""The commands, by group: the names of modules in leaklab/commands, each with its `command`.

They import what they need when they need it: `leaklab --help` waits for nothing but Typer.
"""

RENAMED = {
    **{f"--{name}": f"--set {name}=…" for name in ("size", "hang", "deadline", "dead")},
    "--time-limit": "--limit time=…",
    "--memory-limit": "--limit memory=…",
    "--thread-limit": "--limit threads=…",
    "--descriptor-limit": "--limit fds=…",
    "--output-limit": "--limit output=…",
    "--markdown": "--format markdown",
}
"""Options that there were, and what is written today."""

app = typer.Typer(
    name="leaklab",
    help="Runs paired leaky and fixed programs and measures, from outside, what each leaves open.",
    cls=GroupedCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for group, names in COMMANDS.items():
    for name in names:
        module = import_module(f"leaklab.commands.{name}")
        app.command(name, cls=PlainCommand, rich_help_panel=group)(module.command)


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
    output.ensure_standard_streams()
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) < LEAST_COLUMNS:
        del os.environ["COLUMNS"]
    output.install_ascii_fallback()
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
        option = getattr(error, "option_name", "")
        if option in RENAMED:
            output.complain(f"{option} is now written {RENAMED[option]}")
        elif message := error.format_message():
            output.complain(f"{message} (leaklab --help shows what there is)")
        return ExitCode.WRONG_USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except OSError as error:
        return _system_refuses(error)
    except SystemExit as error:
        # Rich and Typer leave like this, with 1, when their output cannot be written.
        return _stdout_closed() if error.code == 1 else _defect(error)
    except BaseException as error:  # noqa: BLE001 # nobody sees our traceback
        return _defect(error)
    return int(code or 0)


def _system_refuses(error: OSError) -> int:
    """What the system refused, told as what it means here."""
    if error.errno in (errno.EPIPE, errno.EIO):
        return _stdout_closed()
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        output.complain(f"what is said here cannot be written: {error.strerror}. Make room, or write it elsewhere.")
        output.drop_stdout()
        return ExitCode.COULD_NOT_MEASURE
    if error.errno in (errno.EMFILE, errno.ENFILE):
        output.complain("a process may open too few files here (ulimit -n): raise that to 256 or more.")
        return ExitCode.COULD_NOT_MEASURE
    return _defect(error)


def _stdout_closed() -> int:
    """The reader of our output has gone before anything was measured: not an error."""
    output.drop_stdout()
    return ExitCode.DONE


def _defect(error: BaseException) -> int:
    if os.environ.get("LEAKLAB_DEBUG"):
        raise error
    output.complain(f"this is a defect of leaklab: {type(error).__name__}: {error} (LEAKLAB_DEBUG=1 shows where)")
    return ExitCode.COULD_NOT_MEASURE


if __name__ == "__main__":
    main()
