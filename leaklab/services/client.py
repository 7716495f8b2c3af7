"""The runner's side of the services' process: starts it, asks it for counts, ends it."""

import contextlib
import json
import os
import select
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from leaklab.errors import ExitCode, LeaklabError, MeasureError, UsageError
from leaklab.services.guard import GuardList
from leaklab.services.kinds import SERVICE_KINDS, ServiceCounts, ServiceNeeds
from leaklab.system.processes import Child, kill, start_child

HOST = Path(__file__).with_name("host.py")
GUARD = Path(__file__).with_name("guard.py")

ANSWER_WITHIN_S = 30.0
"""Seconds in which the services' process must answer; it is only exceeded if that process is stuck."""

COUNTS_WITHIN_S = 10.0
"""Seconds in which counts must be answered: it is only exceeded if a half keeps the services busy."""

LAST_WORDS = 1 << 16
"""Bytes that are kept of what it prints: it prints nothing, unless something is wrong with it."""


class ServicesBusyError(MeasureError):
    """The services did not come to an answer: what a half asked of them takes too long."""


@dataclass(frozen=True, slots=True)
class HalfServices:
    """What was started for one half.

    Attributes:
        numbers: the services, as their process numbers them.
        ports: what they listen on.
        endpoints: what the half's workload is made from, by kind.
        server: which server it is, where there are several; None where there is only the lab's own.
        is_remote: whether others may use one of these servers, too.
        database: the run's database on such a server; None where there is none.
    """

    numbers: Sequence[int]
    ports: frozenset[int]
    endpoints: Mapping[str, Any] = field(default_factory=dict)
    server: str | None = None
    is_remote: bool = False
    database: str | None = None


class Services:
    """The services' process, and beside it a guard: what both are to clear up should the runner be gone.

    A context manager, to be entered by an Owner: at its end both processes, and all they guard, are gone.
    """

    _child: Child
    _guard: Child
    _buffer = b""
    _printed = b""
    _owed = 0

    def __init__(self) -> None:
        self._listed = GuardList()

    def start(self, kinds: Sequence[str], needs: ServiceNeeds) -> HalfServices:
        """Start services of these kinds, for one half.

        Raises:
            UsageError: `needs` has a value that no service can be started with, such as an invalid URI.
            MeasureError: a service cannot be started or reached.
        """
        if needs.mongo_uri is not None and "mongo" in kinds:
            self._list(do="guard", database=needs.database, uri=needs.mongo_uri)
        started = {kind: self._ask(do="start", service=kind, needs=asdict(needs)) for kind in kinds}
        return HalfServices(
            numbers=[about["service"] for about in started.values()],
            ports=frozenset(port for about in started.values() for port in about["ports"]),
            endpoints={kind: SERVICE_KINDS[kind].endpoint(**about["endpoint"]) for kind, about in started.items()},
            server=next((about["server"] for about in started.values() if about["server"] is not None), None),
            is_remote=needs.mongo_uri is not None,
            database=None if needs.mongo_uri is None else needs.database,
        )

    def expect(self, kinds: Sequence[str]) -> None:
        """Have the process import what services of these kinds need; `start` will ask for them."""
        self._send(do="expect", services=[*kinds])

    def ask_counts(self, services: HalfServices) -> None:
        """Send the question; `hear_counts` gets the answer. Between the two there is time for other probes."""
        if services.numbers:
            self._send(do="counts", services=services.numbers)

    def hear_counts(self, services: HalfServices) -> ServiceCounts:
        """The answer to `ask_counts`: the counts of all these services together.

        Raises ServicesBusyError if it does not come; the next question can be asked all the same.
        """
        answers = self._hear(COUNTS_WITHIN_S)["counts"] if services.numbers else []
        return sum((ServiceCounts(**answer) for answer in answers), ServiceCounts())

    def stop(self, services: HalfServices) -> None:
        """Stop what was started for one half."""
        if services.numbers:
            self._ask(do="stop", services=services.numbers)
            if services.database is not None:
                self._release(database=services.database)

    def guard(self, folder: Path, child: Child | None = None) -> None:
        """Have a half's `folder` removed if the runner disappears, and `child`, with all that it started, killed."""
        self._list(do="guard", folder=str(folder), family=None if child is None else [child.pid, child.mark])

    def release(self, folder: Path) -> None:
        """Stop guarding what goes with `folder`: it is gone, and the child's number may be given to another process."""
        self._release(folder=str(folder))

    def _release(self, **what: str) -> None:
        message = {"do": "release", **what}
        self._listed.hear(message)
        for child in (self._guard, self._child):
            # Where the services' process is gone, the last question to it has reported that.
            with contextlib.suppress(OSError):
                child.send(message)

    def _list(self, **message: object) -> None:
        """Change the list of what is guarded, here and in both processes. Raises MeasureError if the host is gone."""
        self._listed.hear(message)
        # Without its guard a run goes on.
        with contextlib.suppress(OSError):
            self._guard.send(message)
        self._send(**message)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self._guard = start_child(GUARD)
            undo.callback(self._guard.end_alone)
            self._child = start_child(HOST)
            os.set_blocking(self._child.output, False)
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process clean up and end; kill it if it does not.

        Raises MeasureError if it was killed, and a database of the run stays on a server.
        """
        self._child.channel.close()
        # Dropping a database on a server that just went away takes the longest.
        has_cleared_up = self._child.ended(within_s=10) == 0
        self._child.end_alone()
        left = [] if has_cleared_up else self._listed.drop_databases()
        for name in [*self._listed.databases]:
            self._release(database=name)
        self._guard.channel.close()
        self._guard.ended(within_s=10)
        self._guard.end_alone()
        if left:
            raise MeasureError(f"the services' process ended unexpectedly, and {'; '.join(left)}")

    def _send(self, **message: object) -> None:
        try:
            self._child.send(message)
        except OSError:
            raise self.gone() from None

    def _ask(self, **message: object) -> Any:
        self._send(**message)
        return self._hear()

    def _hear(self, within_s: float = ANSWER_WITHIN_S) -> Any:
        until = time.monotonic() + within_s
        while self._owed:
            # Answers that came too late are no answer to this question.
            self._next_line(until, within_s)
            self._owed -= 1
        answer = json.loads(self._next_line(until, within_s))
        if "error" in answer:
            kind = UsageError if answer["exit_code"] == ExitCode.WRONG_USAGE else MeasureError
            raise kind(answer["error"])
        return answer

    def _next_line(self, until: float, within_s: float) -> bytes:
        waiting = select.poll()
        for readable in (self._child.channel, self._child.output):
            waiting.register(readable, select.POLLIN)
        while b"\n" not in self._buffer:
            ready = [descriptor for descriptor, _ in waiting.poll(max(0.0, until - time.monotonic()) * 1000)]
            if not ready:
                self._owed += 1
                raise ServicesBusyError(f"the services did not answer within {within_s:.0f} s{self._last_words()}")
            if self._child.output in ready and not self._read_output():
                waiting.unregister(self._child.output)
            if self._child.channel.fileno() in ready:
                data = b""
                with contextlib.suppress(OSError):
                    data = self._child.channel.recv(1 << 16)
                if not data:
                    raise self.gone()
                self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    @property
    def channel(self) -> socket.socket:
        """The channel to the process; it becomes readable without a question only when the process has ended."""
        return self._child.channel

    @property
    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self._child.ended(within_s=0) is None

    def gone(self) -> LeaklabError:
        """The error to raise when the process has ended, with the last line it printed."""
        # Its last words are complete when it has ended; it is ended if it only closed its socket.
        kill(-self._child.pid)
        self._child.process.wait()
        while self._read_output():
            pass
        return MeasureError(f"the services' process ended unexpectedly{self._last_words()}")

    def _read_output(self) -> bool:
        """Keep the end of its output, so that it never waits to print more; False if there is none now."""
        try:
            data = os.read(self._child.output, 1 << 16)
        except OSError:
            return False
        self._printed = (self._printed + data)[-LAST_WORDS:]
        return bool(data)

    def _last_words(self) -> str:
        last = self._printed.decode(errors="replace").strip().splitlines()
        return f": {last[-1]}" if last else ""
