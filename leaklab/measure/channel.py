"""The channel to a worker: its events, what it prints, and the line it is at when it hangs."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaklab.measure.messages import Event, event_of
from leaklab.measure.source_line import SourceLine
from leaklab.measure.worker import RUNNER_GONE
from leaklab.services.client import Services
from leaklab.system.processes import Child

WHERE_WITHIN_S = 1.0
"""Seconds in which a half that hangs must report its line."""

LINE_LIMIT = 32 * 2**20
"""Bytes of one message: eight times the longest answer, as each of its characters may have to be escaped."""

DISTURBED = "it wrote on the lab's channel, so that it could not be measured any more,"


class TargetEndedError(Exception):
    """The target ended, or can be measured no further: the message says what happened."""


@dataclass(slots=True)
class WorkerChannel:
    """Messages to and from a worker, and its output.

    Attributes:
        child: the worker.
        services: the services' process: without it nothing can be measured.
        output_limit: bytes of the worker's output that are kept; the rest is counted.
    """

    child: Child
    services: Services
    output_limit: int
    _selector: selectors.BaseSelector = field(init=False, default_factory=selectors.DefaultSelector)
    _buffer: bytes = field(init=False, default=b"")
    _output: bytearray = field(init=False, default_factory=bytearray)
    _dropped: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.child.channel.setblocking(False)
        os.set_blocking(self.child.output, False)
        self._selector.register(self.child.channel, selectors.EVENT_READ)
        self._selector.register(self.child.output, selectors.EVENT_READ)
        self._selector.register(self.services.channel, selectors.EVENT_READ)

    def close(self) -> None:
        """Stop listening. The worker itself goes on."""
        self._selector.close()

    def say(self, message: dict[str, Any]) -> None:
        """Send one message. Raises TargetEndedError if the channel is closed."""
        self.child.channel.setblocking(True)
        try:
            self.child.send(message)
        except OSError:
            raise self._ended() from None
        finally:
            self.child.channel.setblocking(False)

    def hear(self, seconds: float) -> Event | None:
        """The next event, None if there is none within so many seconds.

        Raises:
            TargetEndedError: the channel closed, or something other than a message came.
            MeasureError: the services' process is gone.
        """
        until = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0:
                return None
            for key, _ in self._selector.select(left):
                if key.fileobj is self.child.channel:
                    self._read_channel()
                elif key.fileobj is self.services.channel:
                    # It says nothing unasked: it has ended, and the half is no longer guarded.
                    raise self.services.gone()
                else:
                    self._read_output()
            if len(self._buffer) > LINE_LIMIT:
                raise TargetEndedError(DISTURBED)
        line, self._buffer = self._buffer.split(b"\n", 1)
        event = event_of(line)
        if event is None:
            raise TargetEndedError(DISTURBED)
        return event

    def _read_channel(self) -> None:
        try:
            data = self.child.channel.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise self._ended()
        self._buffer += data

    def _read_output(self) -> bool:
        """Keep what the half printed, up to a bound; False if there is nothing (more) to read."""
        try:
            data = os.read(self.child.output, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(self.child.output)
            return False
        room = max(0, self.output_limit - len(self._output))
        self._output += data[:room]
        self._dropped += max(0, len(data) - room)
        return True

    def drain_output(self) -> None:
        """Read what was printed since the last look."""
        if self.child.output in self._selector.get_map():
            while self._read_output():
                pass

    def hang_location(self, folder: Path) -> SourceLine | None:
        """The line in `folder` that the worker is at; None if it does not report one. Its output stays as it was."""
        self.drain_output()
        before = len(self._output)
        with contextlib.suppress(OSError):
            os.kill(self.child.pid, signal.SIGUSR1)
        until = time.monotonic() + WHERE_WITHIN_S
        while b" in <module>" not in self._output[before:] and time.monotonic() < until:
            time.sleep(0.01)
            self.drain_output()
        said = self._output[before:].decode(errors="replace")
        del self._output[before:]
        for file, line in re.findall(r'File "([^"]+)", line (\d+) in ', said):
            if Path(file).parent == folder:
                return SourceLine.at(Path(file), int(line))
        return None

    def output(self) -> str:
        """What it printed, cut to the limit."""
        text = self._output.decode(errors="replace")
        return f"{text}\n… and {self._dropped:,} more bytes" if self._dropped else text

    def _ended(self) -> TargetEndedError:
        """What happened to the worker whose channel closed."""
        code = self.child.ended(within_s=1.0)
        if code is None:
            return TargetEndedError("it closed the lab's channel and went on, so that it could not be measured,")
        if code == RUNNER_GONE:
            return TargetEndedError("it closed the lab's channel, so that it could not be measured any more, and ended")
        if code < 0:
            return TargetEndedError(f"it was ended by {signal.Signals(-code).name}")
        return TargetEndedError(f"it exited with code {code}")
