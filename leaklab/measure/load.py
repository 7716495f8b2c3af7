"""The load of a trace: a command that the lab runs to its end, again and again, each time the same work."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.errors import ExitCode, MeasureError, UsageError
from leaklab.system.interrupts import held_back
from leaklab.system.processes import MARK, exit_code_of, kill, signal_name
from leaklab.units import format_duration, printable

if TYPE_CHECKING:
    from pathlib import Path

FOR_A_SHELL = set("|&;<>()$`*?[]#~{}\n")
"""Characters that mean something to a shell: a load in which one of them stands is run by one."""

TAIL = 4096
"""Bytes of its output from which the last line is taken."""

LONGEST_LINE = 200
"""Characters of that line that are shown."""


class LoadFailedError(MeasureError):
    """The load failed: the message says how, with the last line that it printed."""


class LoadTooSlowError(MeasureError):
    """The load did not come to its end in time."""

    exit_code = ExitCode.TIME_LIMIT


@dataclass(frozen=True, slots=True)
class LoadCommand:
    """A command that is run once for each load.

    Attributes:
        text: as it was typed.
        limit_s: seconds that one load may take.
        folder: where its output is kept until it has ended.
        mark: the value of MARK in its environment.
    """

    text: str
    limit_s: float
    folder: Path
    mark: str

    @property
    def command(self) -> list[str]:
        """What is run. Raises UsageError if it cannot be."""
        if FOR_A_SHELL & set(self.text):
            # Of a pipe, sh says only how its last command ended: a load whose request failed would count as done.
            bash = shutil.which("bash")
            return [bash, "-o", "pipefail", "-c", self.text] if bash else ["/bin/sh", "-c", self.text]
        try:
            parts = shlex.split(self.text)
        except ValueError as error:
            raise UsageError(f"--load {self.text!r}: {error}. Quote it as in a shell.") from None
        if not parts:
            raise UsageError("--load is empty: write a command, like --load 'curl -sf http://127.0.0.1:8000/'")
        return parts

    def run(self) -> None:
        """Run it once, to its end.

        Raises:
            UsageError: there is no such command.
            LoadFailedError: it ended with an exit code other than 0.
            LoadTooSlowError: it did not end in time.
        """
        printed = self.folder / "load"
        command, environment = self.command, {**os.environ, MARK: self.mark}
        with printed.open("w+b") as output, held_back():
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=environment,
                )
            except OSError as error:
                raise UsageError(f"--load {self.text!r}: {command[0]!r} cannot be run: {error.strerror}") from None
        try:
            code = exit_code_of(process, self.limit_s)
        finally:
            # What it may have started in its group ends with it.
            kill(-process.pid)
            process.wait()
        if code is None:
            raise LoadTooSlowError(
                f"the load {self.text!r} did not end within {format_duration(self.limit_s)} (--limit time=…)"
            )
        if code:
            how = f"failed with exit code {code}" if code > 0 else f"was ended by {signal_name(-code)}"
            raise LoadFailedError(f"the load {self.text!r} {how}: {_last_line(printed)}")


def _last_line(printed: Path) -> str:
    with printed.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return printable(lines[-1])[:LONGEST_LINE] if lines else "it printed nothing"
