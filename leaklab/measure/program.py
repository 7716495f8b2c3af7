"""Any program that is measured: one that the lab starts and ends, with a guard beside it, or one that runs already."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from leaklab.errors import MeasureError, UsageError
from leaklab.services import guard
from leaklab.system.interrupts import held_back, last_signal
from leaklab.system.process_status import status_of
from leaklab.system.processes import MARK, Child, end_family, exit_code_of, remove_folder, start_child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRACE_S = 3.0
"""Seconds that a program is given to end when it is asked to, before it is killed."""

LOOK_S = 0.02
"""Seconds between two looks at whether a program has ended that is no child of ours."""


class MeasuredProgram(Protocol):
    """A program that is measured."""

    @property
    def pid(self) -> int:
        """The id of its process."""

    def ended(self, within_s: float) -> int | None:
        """Its exit code (negative: a signal) if it ends within so many seconds, None if it does not.

        Of one that is no child of ours it is 0.
        """


@dataclass(slots=True)
class StartedProgram:
    """A program that the lab starts, with the standard streams of the lab itself. To be entered by an Owner.

    Attributes:
        folder: for what the trace needs for a while.
        mark: the value of MARK in the environment of the program and of all that is started for the trace.
    """

    folder: Path = field(init=False)
    mark: str = field(init=False, default_factory=lambda: os.urandom(16).hex())
    _guard: Child = field(init=False)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    _exit_code: int | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        """Make the folder, which a guard removes should the lab be killed."""
        with ExitStack() as undo:
            self._guard = start_child(Path(guard.__file__))
            undo.callback(self._guard.end_alone)
            self.folder = Path(tempfile.gettempdir()) / f"ll-{os.urandom(8).hex()}"
            self._tell_guard(do="guard", folder=str(self.folder), family=None)
            try:
                self.folder.mkdir(mode=0o700)
            except OSError as error:
                raise MeasureError(f"no temporary folder can be made for a trace: {error}") from None
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end(last_signal() if kind is KeyboardInterrupt else signal.SIGTERM)
        remove_folder(self.folder)
        self._tell_guard(do="release", folder=str(self.folder))
        self._guard.channel.close()
        self._guard.ended(within_s=10)
        self._guard.end_alone()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, in a session of its own, with these variables in addition. Raises UsageError if it cannot be."""
        with held_back():
            try:
                self._process = subprocess.Popen(
                    command, start_new_session=True, env={**os.environ, **environment, MARK: self.mark}
                )
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                raise UsageError(f"{command[0]!r} cannot be started: {why}") from None
            self._tell_guard(do="guard", folder=str(self.folder), family=[self.pid, self.mark])

    @property
    def pid(self) -> int:
        """The id of its process, which is also that of its process group."""
        assert self._process is not None  # noqa: S101 # it was started
        return self._process.pid

    def ended(self, within_s: float) -> int | None:
        """As MeasuredProgram says."""
        assert self._process is not None  # noqa: S101 # it was started
        return exit_code_of(self._process, within_s)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end by this signal, and end it and all that it started after a while, or after a second Ctrl-C."""
        if self._process is None:
            # What a load may have left.
            end_family(os.getpid(), self.mark, waited_for=True)
            return
        if self._process.returncode is not None:
            return
        try:
            if self.ended(0) is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)
                self.ended(GRACE_S)
        except KeyboardInterrupt:
            pass
        finally:
            with held_back():
                end_family(self.pid, self.mark, waited_for=self._process.returncode is not None)
                self._process.wait()

    def _tell_guard(self, **message: object) -> None:
        # Without its guard a trace goes on.
        with suppress(OSError):
            self._guard.send(message)


@dataclass(frozen=True, slots=True)
class RunningProgram:
    """A program that runs already, which is only watched."""

    pid: int

    def ended(self, within_s: float) -> int | None:
        """As MeasuredProgram says."""
        until = time.monotonic() + within_s
        while True:
            try:
                if status_of(self.pid).is_zombie:
                    return 0
            except (ProcessLookupError, FileNotFoundError):
                return 0
            if (left_s := until - time.monotonic()) <= 0:
                return None
            time.sleep(min(LOOK_S, left_s))
