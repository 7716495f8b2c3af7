"""The embedded MongoDB server: its wire protocol over asyncio on loopback, with exact counts."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from typing import TYPE_CHECKING

from leaklab.services.listener import Listener
from leaklab.services.mongo.command_error import CommandError
from leaklab.services.mongo.command_server import CommandServer, MongoCounts
from leaklab.services.mongo.cursors import CursorTable
from leaklab.services.mongo.time_limit import TIME_LIMIT
from leaklab.services.mongo.wire import (
    HEADER_BYTES,
    FramingError,
    encode_document,
    message_bytes,
    parse_request,
    reply_message,
)
from leaklab.services.mongo.write_commands import TURN_S

if TYPE_CHECKING:
    from leaklab.services.mongo.arguments import Document

STRANGER = CommandError(13, "this server serves only the run of leaklab that started it: connect by the URI it gave")
"""What is answered to others (MongoDB manual, "Error Codes": 13 is Unauthorized)."""

_SHORT = ("serverStatus", "hello", "isMaster", "ismaster", "ping", "endSessions", "killCursors")
"""Commands that never take long."""

_READ_AHEAD_BYTES = 64 * 1024  # how much more of a client is read while its last command is still being answered


class MongoService:
    """One server on a free port of 127.0.0.1, inside the running event loop.

    `cursor_timeout_s` is how long a cursor may be idle, in seconds; past `max_open_cursors` a query that
    needs a cursor is answered with ExceededMemoryLimit. A cursor outlives its client's connection, as on the
    real server. In the main thread no query can hold up the other clients: see TimeLimit.

    With a `name`, only clients are served, and counted, that call their application by it when they connect (`appname`
    in a URI; MongoDB specification, "MongoDB Handshake").
    """

    def __init__(self, *, name: str = "", cursor_timeout_s: float = 600.0, max_open_cursors: int = 100_000) -> None:
        self._name = name
        self._listener = Listener(lambda: _MongoConnection(self))
        self._expiry: asyncio.TimerHandle | None = None
        self._is_limited = self._turn_is_over = False
        self.connections: set[_MongoConnection] = set()
        self.accepted = self.open = self.peak = self.served = 0
        self.cursors = CursorTable(timeout_s=cursor_timeout_s, max_open=max_open_cursors, clock=time.monotonic)
        self.commands = CommandServer(self.cursors, self.counts)

    async def start(self) -> int:
        """Listen; returns the port.

        Raises RuntimeError if it was started before, OSError if it cannot listen.
        """
        port = await self._listener.start()
        self._is_limited = TIME_LIMIT.switch_on()
        return port

    def counts(self) -> MongoCounts:
        """Return the counts as they are now."""
        of_cursors = (len(self.cursors), self.cursors.peak)
        return MongoCounts(self.accepted, self.open, self.peak, self.served, *of_cursors, len(self.commands.sessions))

    async def stop(self) -> None:
        """End listener, connections, cursors and timer; returns when all are gone. May be called again."""
        await self._listener.stop()
        connections = list(self.connections)
        for connection in connections:
            connection.abort()
        await asyncio.gather(*(connection.answering for connection in connections), return_exceptions=True)
        for cursor in self.cursors:
            self.cursors.close(cursor.cursor_id)
        self.commands.sessions.clear()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._is_limited:
            TIME_LIMIT.switch_off()
            self._is_limited = False

    def admits(self, command: Document | CommandError) -> bool:
        """Whether the first command on a connection is one of this run's."""
        if not self._name:
            return True
        try:
            given = command["client"]["application"]["name"]  # type: ignore[index] # anything may have been sent
        except (TypeError, KeyError):
            return False
        return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), self._name.encode())

    async def turn(self, command: Document | CommandError) -> None:
        """Wait while a command has taken long in this turn of the loop: between two such others have their turn.

        So however many clients ask what takes long, the lab's questions come through after a few of them.
        """
        while self._turn_is_over and not (isinstance(command, dict) and next(iter(command), "") in _SHORT):
            await asyncio.sleep(0)

    def end_turn(self) -> None:
        """A command has taken long."""
        if not self._turn_is_over:
            self._turn_is_over = True
            asyncio.get_running_loop().call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._turn_is_over = False

    def joined(self) -> None:
        """Count a connection in."""
        self.accepted += 1
        self.open += 1
        self.peak = max(self.peak, self.open)

    def watch_cursors(self) -> None:
        """Make sure that a timer runs while a cursor can time out; one for all of them."""
        due = self.cursors.next_expiry()
        if self._expiry is None and due is not None and self._listener.is_listening:
            self._expiry = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.cursors.expire()
        self.watch_cursors()


class _MongoConnection(asyncio.StreamReaderProtocol):
    """One client: a task answers its commands one after the other, and is cancelled when the client goes."""

    def __init__(self, service: MongoService) -> None:
        super().__init__(asyncio.StreamReader(limit=_READ_AHEAD_BYTES), self._begin)
        self._service = service
        self._counted_open = False
        self._has_left = False

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._service.connections.add(self)
        self.abort = writer.transport.abort
        self.answering = asyncio.get_running_loop().create_task(self._answer_all(reader, writer))
        self.answering.add_done_callback(lambda _: self._service.connections.discard(self))

    def eof_received(self) -> bool:
        # The real server ends the session when it can read no more; what is being sent is still sent.
        super().eof_received()
        self._client_left()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._client_left()

    def _client_left(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._count_out()
            self.answering.cancel()

    def _count_out(self) -> None:
        self._service.open -= self._counted_open
        self._counted_open = False

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn_ends = time.monotonic() + TURN_S
        is_admitted = False
        try:
            while not writer.is_closing():
                header = await reader.readexactly(HEADER_BYTES)
                request = parse_request(header + await reader.readexactly(message_bytes(header) - HEADER_BYTES))
                if not is_admitted:
                    if not self._service.admits(request.command):
                        body = encode_document(STRANGER.document())
                        writer.write(
                            reply_message(body, request_id=0, response_to=request.request_id, legacy=request.legacy)
                        )
                        return
                    is_admitted = self._counted_open = True
                    self._service.joined()
                await self._service.turn(request.command)
                begun = time.thread_time()
                try:
                    body = await self._service.commands.run(request.command, legacy=request.legacy)
                finally:
                    self._service.watch_cursors()
                if time.thread_time() - begun > TURN_S:
                    self._service.end_turn()
                if request.reply_expected and not writer.is_closing():
                    self._service.served += 1
                    number = self._service.served & 0x7FFFFFFF
                    writer.write(
                        reply_message(body, request_id=number, response_to=request.request_id, legacy=request.legacy)
                    )
                    await writer.drain()
                if time.monotonic() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = time.monotonic() + TURN_S
        except (FramingError, asyncio.IncompleteReadError, ConnectionError):
            pass  # the real server closes the connection as well; replies before this one still go out
        finally:
            self._count_out()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
