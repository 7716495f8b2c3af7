"""What commands show and ask, and the code they exit with. Nothing below the commands prints."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaklab.errors import ExitCode, UsageError
from leaklab.system.interrupts import Owner
from leaklab.units import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from leaklab.lab.result import Result
    from leaklab.lab.run_options import RunOptions
    from leaklab.measure.sampler import TraceListener
    from leaklab.reports.formats import Report

LESS = r"FRX-PsSpace\: more, q\: back$"
"""The options of less, as git has them, and a prompt that says how to leave (less(1), PROMPTS)."""

NOT_RUN = (126, 127)
"""The exit codes of a shell that cannot execute its command, or does not find it (POSIX, 2.8.2)."""

_IN_ASCII = str.maketrans(
    {
        "–": "-",
        "→": ">",
        "…": "~",
        "×": "x",
        "▸": ">",
        "·": "-",
        "’": "'",
        "⋮": ":",
        "▌": "#",
        **dict(zip("▁▂▃▄▅▆▇█", "_.-=+*%#", strict=True)),
    }
)


def console(**options: Any) -> Console:
    """A console on standard output, or as `options` say: plain where that is no terminal, or NO_COLOR is set."""
    from rich.console import Console

    class SafeConsole(Console):
        """Lets nothing that others wrote move the cursor; goes on when its reader has gone.

        What was measured still has its exit code then.
        """

        def render(self, renderable: Any, options: Any = None) -> Iterator[Any]:
            for segment in super().render(renderable, options):
                shown = segment.control or segment.text.isprintable()
                yield segment if shown else segment._replace(text=printable(segment.text))

        def on_broken_pipe(self) -> None:
            self.quiet = True
            drop_stdout()

    # What people write is shown as it is: it is no markup.
    return SafeConsole(highlight=False, markup=False, emoji=False, **options)


def drop_stdout() -> None:
    """Standard output was closed by its reader: let what else is printed lead nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclass(frozen=True, slots=True)
class Destination:
    """Where and how a report is shown: its format, and the file it is written to.

    Without a file it is standard output; with `aside` standard error, as standard output is another program's.
    """

    report: Report
    format: str
    file: Path | None
    aside: bool = False

    def spare(self, file: Path) -> None:
        """See that the report does not take the place of `file`, which is read. Raises UsageError if it would."""
        if self.file is not None and os.path.realpath(self.file) == os.path.realpath(file):
            raise UsageError(f"--output {self.file}: this is the file that is read. Choose another name.")

    def show(self, *, paged: bool = False, **data: object) -> None:
        """Show the report of this data, `paged` as `show_pages` does, or write it to the file.

        Raises UsageError if it cannot be written.
        """
        shown = self.report.made(self.format, **data)
        if isinstance(shown, str) and self.format != "json":
            shown = printable(shown)
        if self.file is None and not isinstance(shown, str):
            out = console(stderr=self.aside)
            show_pages(out, [shown]) if paged else out.print(shown)
        elif self.file is None:
            say_aside(shown) if self.aside else show_text(shown)
        else:
            paper = io.StringIO()
            if not isinstance(shown, str):
                console(file=paper, width=80, color_system=None).print(shown)
                shown = "".join(f"{line.rstrip()}\n" for line in paper.getvalue().splitlines())
            try:
                _write(self.file, shown)
            except UsageError:
                # It took its time to measure: it is not lost.
                show_text(shown)
                raise


def destination(
    report: Report,
    form: str | None,
    file: Path | None,
    *,
    as_json: bool = False,
    samples: bool = False,
    aside: bool = False,
) -> Destination:
    """Where a report is shown, as the options say; `aside` if standard output is another program's.

    Raises UsageError if it cannot be, or they contradict each other.
    """
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form}: leave one of them out")
    if form is None:
        form = "json" if as_json else "table"
    if form not in report.renderers:
        choices = " or ".join(report.renderers)
        raise UsageError(f"--format {form}: {report.what} has no such format. Choose {choices}.")
    if form in ("html", "svg") and file is None and sys.stdout.isatty():
        raise UsageError(f"--format {form}: this is for a browser, not for a terminal. Add -o report.{form}.")
    if samples and form != "json":
        raise UsageError("--samples: the trace is part of the JSON document: add --json")
    if file is not None and (reason := _why_not_writable(file)):
        raise UsageError(f"--output {file}: {reason}")
    return Destination(report, form, file, aside)


def _why_not_writable(file: Path) -> str | None:
    """Why no report can be written to `file`, said before anything is measured; None if it seems to be possible."""
    from leaklab.system.files import why_not_writable
    from leaklab.workshop.progress_file import STATE, ProgressFileError, load

    path = os.path.realpath(file)
    folder, name = os.path.split(path)  # unlike pathlib, os.path raises nothing where it may not look
    with contextlib.suppress(ProgressFileError):
        if name == STATE or name in load(Path(folder)):
            return "this is an exercise, or the progress of some. Choose another name."
    return why_not_writable(path)


def _write(file: Path, text: str) -> None:
    from leaklab.system.files import write_whole

    try:
        write_whole(Path(os.path.realpath(file)), text.encode(errors="replace"))
    except OSError as error:
        raise UsageError(
            f"--output {file}: the report cannot be written: {error.strerror}. Choose another place."
        ) from error
    say_aside(f"leaklab: wrote {file}\n")


def show_pages(console: Console, parts: Sequence[RenderableType]) -> None:
    """Print these; on a terminal in the pager that $PAGER names, or else in less, as git does.

    less does not page what fits on one screen (`less -FRX`). PAGER=cat, an empty PAGER or TERM=dumb turns paging off.
    """
    command = os.environ.get("PAGER", "less").strip()
    if not console.is_terminal or console.is_dumb_terminal or command in ("", "cat"):
        for part in parts:
            console.print(part)
        return
    import signal
    import subprocess

    from rich.pager import Pager

    class CommandPager(Pager):
        def show(self, content: str) -> None:
            environment = {"LESS": LESS, "LESSCHARSET": "utf-8", "LV": "-c", **os.environ}
            # As standard output would write it: a terminal that takes ASCII only has the nearest characters.
            data = content.encode(sys.stdout.encoding, sys.stdout.errors or "strict")
            # Ctrl-C is for the pager. A handler is not inherited, unlike SIG_IGN.
            before = signal.signal(signal.SIGINT, lambda *_: None)
            try:
                run = subprocess.run(command, shell=True, input=data, env=environment, check=False)  # noqa: S602 # it is a command for the shell, as git's
            finally:
                signal.signal(signal.SIGINT, before)
            if run.returncode in NOT_RUN:
                show_text(content)

    with console.pager(CommandPager(), styles=True):
        for part in parts:
            console.print(part)


def show_text(text: str) -> None:
    """Print lines as they are, however long."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_stdout()


def say_aside(text: str) -> None:
    """Print on standard error, as standard output may be a document."""
    sys.stderr.write(text)
    sys.stderr.flush()


def answer(prompt: str) -> str | None:
    """What is answered at the terminal to `prompt`; None at the end of input."""
    say_aside(prompt)
    line = sys.stdin.readline()
    if not line:
        say_aside("\n")
    return line or None


def complain(*messages: str) -> None:
    """Say on standard error what was wrong, a line for each, unless that was closed."""
    with contextlib.suppress(OSError):
        # What was typed or raised may hold line feeds.
        lines = (printable(message).replace("\n", " ") for message in messages)
        say_aside("".join(f"{folded(f'leaklab: {line}')}\n" for line in lines))


def folded(line: str) -> str:
    """The line, wrapped between words to fit the terminal; as it is if standard error is no terminal."""
    if not sys.stderr.isatty():
        return line
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    return textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


@contextlib.contextmanager
def live_counts(
    how: RunOptions, label: str, telling: Sequence[str] = (), steps: int | None = None
) -> Iterator[RunOptions]:
    """These options, followed by the telling counts as they grow, on standard error if that is a terminal."""
    with live_series() as follow:
        yield replace(how, progress=follow(label, telling, steps, ()))


@contextlib.contextmanager
def live_series() -> Iterator[Callable[[str, Sequence[str], int | None, Sequence[Result]], TraceListener]]:
    """A function that has one display follow a scenario: its label, telling metrics and steps, the results so far.

    It is called for one scenario after the other. Where standard error is no terminal, nothing is shown.
    """
    if not sys.stderr.isatty():
        from leaklab.measure.sampler import TraceListener

        yield lambda *_: TraceListener()
        return
    from leaklab.reports.live import LiveCounts
    from leaklab.reports.table import Comparison

    with Owner() as owner:
        live = owner.enter_context(LiveCounts(console(stderr=True)))

        def follow(label: str, telling: Sequence[str], steps: int | None, so_far: Sequence[Result]) -> TraceListener:
            live.follow(label, telling, steps, Comparison(so_far) if so_far else None)
            return live

        yield follow


def exit_code(results: Sequence[Result], *, as_expected: bool) -> ExitCode:
    """The exit code of these results, which are `as_expected` as a whole or not."""
    if any(result.interrupted for result in results):
        return ExitCode.INTERRUPTED
    if any(result.timed_out for result in results):
        return ExitCode.TIME_LIMIT
    return ExitCode.DONE if as_expected else ExitCode.NOT_AS_EXPECTED


def ensure_standard_streams() -> None:
    """Let closed standard streams lead nowhere: else whatever is opened next would be taken for one of them."""
    for descriptor, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 # for as long as leaklab runs


def install_ascii_fallback() -> None:
    """Where output cannot be encoded (ASCII terminals and pipes), write the nearest plain character."""

    def nearest(error: Any) -> tuple[str, int]:
        part = error.object[error.start : error.end].translate(_IN_ASCII)
        return part.encode("ascii", "replace").decode("ascii"), error.end

    codecs.register_error("leaklab", nearest)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="leaklab")
