"""What commands show and ask: the console, plain lines, JSON, a progress bar, questions, complaints.

Nothing below this prints.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from leaklab.measure.sampler import TraceListener

_IN_ASCII = str.maketrans({"–": "-", "→": "->", "…": "...", "×": "x", "▸": ">", "·": "-", "’": "'"})


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or error: plain where that is no terminal, or NO_COLOR is set."""
    from rich.console import Console

    class PipeTolerantConsole(Console):
        """Goes on when whoever read it has gone: what was measured still has its exit code."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            nobody_listens()

    return PipeTolerantConsole(stderr=stderr, highlight=False, soft_wrap=False)


def nobody_listens() -> None:
    """Whoever read our output has gone: that is no error of theirs, and there is nobody to tell."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show(what: RenderableType, on: Console | None = None) -> None:
    """Show `what` on the console `on`, or on one of its own."""
    (on or console()).print(what)


def show_json(document: dict[str, Any]) -> None:
    """Print a document as JSON, in ASCII, so that any pipe can carry it."""
    show_text(json.dumps(document, indent=2, ensure_ascii=True) + "\n")


def show_text(text: str) -> None:
    """Print lines as they are, however long."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nobody_listens()


def say_aside(text: str) -> None:
    """Say something to whoever is asked: on standard error, as standard output may be a document."""
    sys.stderr.write(text)
    sys.stderr.flush()


def answer(prompt: str) -> str | None:
    """What is answered at the terminal to `prompt`; None at the end of input."""
    say_aside(prompt)
    line = sys.stdin.readline()
    if not line:
        say_aside("\n")
    return line or None


def complain(message: str) -> None:
    """Say on standard error what was wrong; if that cannot be written, nobody can be told."""
    from leaklab.units import printable

    with contextlib.suppress(OSError):
        print(f"leaklab: {printable(message)}", file=sys.stderr, flush=True)  # noqa: T201 # an error needs no console


@contextlib.contextmanager
def progress_bar(label: str, steps: int | None, repeat: int) -> Iterator[TraceListener]:
    """A progress bar on standard error if that is a terminal, else nothing."""
    from leaklab.measure.sampler import TraceListener

    if not sys.stderr.isatty():
        yield TraceListener()
        return
    from leaklab.reports.live import ProgressBars
    from leaklab.system.interrupts import Owner

    with Owner() as owner:
        yield owner.enter_context(ProgressBars(console(stderr=True), label, steps, repeat))


def open_what_is_closed() -> None:
    """Let standard streams that were closed before leaklab was started lead nowhere.

    Else whatever is opened next would be taken for one of them.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "r" if descriptor == 0 else "w"
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 # for as long as leaklab runs


def write_what_the_terminal_can() -> None:
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
