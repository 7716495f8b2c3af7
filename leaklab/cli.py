"""The command line: gathers the commands, and turns every error into a line for a person and an exit code."""

import errno
import os
import re
import sys
from importlib import import_module
from itertools import pairwise
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
    "Workshop": ("next", "start", "check", "watch", "hint", "solution", "progress", "reset"),
    "At work": ("trace",),
    "Author": ("new", "validate", "schema", "doctor"),
}
"""Modules in leaklab/commands, by group. Each imports what it needs when it runs: `--help` waits for Typer only."""

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

FIRST_STEPS = """\
leaklab runs paired leaky and fixed programs, and measures from outside what
each leaves open.

  leaklab compare               all leaks, measured: begin here
  leaklab run unclosed-body     one of them, with the line that leaks
  leaklab show unclosed-body    what the fix changes, and the lesson
  leaklab next                  an exercise: fix it yourself
  leaklab trace -- COMMAND      any program of your own, measured
  leaklab --help                all commands
"""
"""What `leaklab` says without a command."""


def command_line(*wanted: str) -> typer.Typer:
    """The whole command line; or with these commands only, as to make all of them takes longer than to run one."""
    app = typer.Typer(
        name="leaklab",
        help="Runs paired leaky and fixed programs and measures, from outside, what each leaves open.",
        cls=GroupedCommands,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_main)
    for group, names in COMMANDS.items():
        for name in names if not wanted else [name for name in names if name in wanted]:
            module = import_module(f"leaklab.commands.{name}")
            app.command(name, cls=PlainCommand, rich_help_panel=group)(module.command)
    return app


def _wanted() -> list[str]:
    """The command that was typed, if it can be seen without parsing: it comes first, and is written out."""
    typed = sys.argv[1:2]
    is_known = any(typed == [name] for names in COMMANDS.values() for name in names)
    return typed if is_known and "_LEAKLAB_COMPLETE" not in os.environ else []


def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        output.show_text(f"leaklab {leaklab.__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        output.show_text(FIRST_STEPS)


def main() -> None:
    """Run the command line; every error becomes a line for a person and an exit code."""
    output.ensure_standard_streams()
    # Nothing can be shown in fewer than 20 columns; a terminal of unknown width says 0. Rich takes whatever is there.
    for name, least in {"COLUMNS": 20, "LINES": 1}.items():
        said = os.environ.get(name, "")
        if not re.fullmatch("[0-9]{1,4}", said) or int(said) < least:
            os.environ.pop(name, None)
    output.install_ascii_fallback()
    interrupts.end_by_signal()
    code = _run_app()
    interrupts.ignore()
    sys.exit(code)


def _run_app() -> int:  # noqa: PLR0911 # each kind of end has its own code
    for option, given in pairwise(sys.argv[1:]):
        if option in ("--show-completion", "--install-completion") and not given.startswith("-"):
            output.complain(f"{option} {given}: it takes no shell: run it in the one that is meant")
            return ExitCode.WRONG_USAGE
    try:
        os.getcwd()  # noqa: PTH109 # it raises where the folder is gone
    except OSError:
        output.complain("the folder in which you are is gone: change to another one (cd)")
        return ExitCode.WRONG_USAGE
    try:
        code = command_line(*_wanted())(standalone_mode=False)
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
        # Typer leaves like this when it has installed or shown a completion, or knows none for a shell; and, as Rich
        # does, when their output cannot be written.
        if isinstance(error.__context__, OSError):
            return _stdout_closed()
        return ExitCode.WRONG_USAGE if error.code else ExitCode.DONE
    except BaseException as error:  # noqa: BLE001 # users never see our traceback
        return _defect(error)
    return int(code or 0)


def _system_refuses(error: OSError) -> int:
    if error.errno in (errno.EPIPE, errno.EIO):
        return _stdout_closed()
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        output.complain(f"the output cannot be written: {error.strerror}. Free some space, or write it elsewhere.")
        output.drop_stdout()
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        output.complain("the limit of open files (ulimit -n) is too low: raise it to 256 or more.")
    elif isinstance(error.filename, str):
        # A name that is too long, or another user's folder: what was typed cannot be used.
        output.complain(f"{error.filename}: {error.strerror}. Choose another file or folder.")
        return ExitCode.WRONG_USAGE
    else:
        output.complain(
            f"the system refuses what leaklab needs: {error.strerror or error}. `leaklab doctor` may say why."
        )
    return ExitCode.COULD_NOT_MEASURE


def _stdout_closed() -> int:
    """The reader of our output has gone before anything was measured: not an error."""
    output.drop_stdout()
    return ExitCode.DONE


def _defect(error: BaseException) -> int:
    if os.environ.get("LEAKLAB_DEBUG"):
        raise error
    if "_LEAKLAB_COMPLETE" in os.environ:
        output.complain("the shell's completion does not fit this leaklab: install it again with --install-completion")
        return ExitCode.WRONG_USAGE
    output.complain(f"this is a defect of leaklab: {type(error).__name__}: {error} (LEAKLAB_DEBUG=1 shows where)")
    return ExitCode.COULD_NOT_MEASURE
