"""The line to a worker: its messages, what it prints, and where it is when it hangs."""

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

from leaklab.measure.messages import line_of, message_of
from leaklab.measure.source_line import SourceLine
from leaklab.measure.worker import LOST
from leaklab.services.client import Services
from leaklab.system.processes import Child

WHERE_WITHIN_S = 1.0
"""Seconds in which a half that hangs says where it is."""

LINE_LIMIT = 32 * 2**20
"""Bytes of one message: eight times the longest answer, as each of its characters may have to be escaped."""


class LostError(Exception):
    """The worker's channel closed."""


class DisturbedError(LostError):
    """Something else than the worker wrote on its channel."""


@dataclass(slots=True)
class Line:
    """Both ways to a worker.

    Attributes:
        child: the worker.
        services: the services' process, without which nothing can be measured.
        output_limit: bytes that are kept of what the worker prints; the rest is counted.
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
        """Listen no more. The worker itself is ended by whoever started it."""
        self._selector.close()

    def say(self, message: dict[str, Any]) -> None:
        """Send one message. Raises LostError if the channel is closed."""
        self.child.channel.setblocking(True)
        try:
            self.child.channel.sendall(line_of(message))
        except OSError:
            raise LostError from None
        finally:
            self.child.channel.setblocking(False)

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next message, None if there is none within so many seconds.

        Raises:
            LostError: the channel closed, or something else than a message came.
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
                    # It says nothing unasked: it has ended, and nobody guards the half any more.
                    raise self.services.gone()
                else:
                    self._read_output()
            if len(self._buffer) > LINE_LIMIT:
                raise DisturbedError
        line, self._buffer = self._buffer.split(b"\n", 1)
        message = message_of(line)
        if message is None:
            raise DisturbedError
        return message

    def _read_channel(self) -> None:
        try:
            data = self.child.channel.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise LostError
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
        """Keep what was printed and not read yet."""
        if self.child.output in self._selector.get_map():
            while self._read_output():
                pass

    def where(self, folder: Path) -> SourceLine | None:
        """The line in `folder` that it is at; None if it does not say. What it printed stays as it was."""
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
        """What it printed, as far as it was kept."""
        text = self._output.decode(errors="replace")
        return f"{text}\n… and {self._dropped:,} more bytes" if self._dropped else text

    def end_in_words(self) -> str:
        """How the worker ended, after its channel closed."""
        code = self.child.ended(within_s=1.0)
        if code is None:
            return "it closed the lab's channel and went on, so that it could not be measured,"
        if code == LOST:
            return "it closed the lab's channel, so that it could not be measured any more, and ended"
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        return f"it exited with code {code}"
