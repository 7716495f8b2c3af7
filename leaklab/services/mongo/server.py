"""The embedded MongoDB server: its wire protocol over asyncio on loopback, with exact counts."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from leaklab.services.listener import Listener
from leaklab.services.mongo.command_server import CommandServer
from leaklab.services.mongo.cursors import CursorTable
from leaklab.services.mongo.mongo_counts import MongoCounts
from leaklab.services.mongo.time_limit import TIME_LIMIT
from leaklab.services.mongo.wire import FramingError, message_bytes, parse_request, reply_message

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

_READ_AHEAD_BYTES = 64 * 1024  # how much more of a client is read while its last command is still being answered
_TURN_S = 0.05  # how long one client is worked for before the others have their turn


class MongoService:
    """One server on a free port of 127.0.0.1, inside the running event loop.

    `cursor_timeout_s` is how long a cursor may be idle, in seconds; past `max_open_cursors` a query that
    needs a cursor is answered with ExceededMemoryLimit. A cursor outlives its client's connection, as on the
    real server. In the main thread no query can hold up the other clients: see TimeLimit.
    """

    def __init__(self, *, cursor_timeout_s: float = 600.0, max_open_cursors: int = 100_000) -> None:
        self._listener = Listener(lambda: _MongoConnection(self))
        self._expiry: asyncio.TimerHandle | None = None
        self._is_limited = False
        self._gone = asyncio.Event()
        self.connections: set[_MongoConnection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
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

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped yet."""
        return self._listener.is_listening

    async def stop(self) -> None:
        """End listener, connections, cursors and timer; returns when all are gone. May be called again."""
        await self._listener.stop()
        for connection in list(self.connections):
            connection.abort()
        while self.connections:
            self._gone.clear()
            await self._gone.wait()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for cursor in self.cursors:
            self.cursors.close(cursor.cursor_id)
        self.commands.sessions.clear()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._is_limited:
            TIME_LIMIT.switch_off()
            self._is_limited = False

    def joined(self, connection: _MongoConnection) -> None:
        """Count a connection in."""
        self.connections.add(connection)
        self.accepted += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        if not self.is_running:  # accepted while the server was being stopped
            connection.abort()

    def left(self, connection: _MongoConnection) -> None:
        """Let go of a connection that is gone for good."""
        self.connections.discard(connection)
        self._gone.set()

    def watch_cursors(self) -> None:
        """Make sure that a timer runs while a cursor can time out; one for all of them."""
        due = self.cursors.next_expiry()
        if self._expiry is None and due is not None and self.is_running:
            self._expiry = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.cursors.expire()
        self.watch_cursors()


class _MongoConnection(asyncio.Protocol):
    """One client: takes its messages apart and answers them one after the other, in order."""

    def __init__(self, service: MongoService) -> None:
        self._service = service
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._replies = 0
        self._counted_open = self._write_blocked = self._reading_paused = False
        self._task: asyncio.Task[None] | None = None  # answers the last command
        self._next_turn: asyncio.Handle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 # what a stream socket gets
        self._transport = transport
        self._counted_open = True
        self._service.joined(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._pump()

    def eof_received(self) -> bool | None:
        # The real server ends the session when it can read no more; what is being sent is still sent.
        self._closed()
        return None

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closed()
        self._service.left(self)

    def pause_writing(self) -> None:
        self._write_blocked = True

    def resume_writing(self) -> None:
        self._write_blocked = False
        self._pump()

    @property
    def _busy(self) -> bool:
        """Whether the next command has to wait: for the last one, for its turn, or for a client that does not read."""
        return self._write_blocked or self._task is not None or self._next_turn is not None

    def _pump(self) -> None:
        """Answer what has arrived, as far as it is complete, for one turn."""
        turn_ends = time.monotonic() + _TURN_S
        try:
            while self._counted_open and not self._busy:
                length = message_bytes(self._buffer)
                if length is None or len(self._buffer) < length:
                    break
                if time.monotonic() > turn_ends:
                    self._next_turn = asyncio.get_running_loop().call_soon(self._take_turn)
                    break
                message = bytes(memoryview(self._buffer)[:length])
                del self._buffer[:length]
                self._answer(message)
        except FramingError:
            # The real server closes the connection as well. Replies before this one still go out.
            self._closed()
            if self._transport is not None:
                self._transport.close()
            return
        self._bound_buffer()

    def _take_turn(self) -> None:
        self._next_turn = None
        self._pump()

    def _bound_buffer(self) -> None:
        """Stop reading from a client whose commands have to wait, lest they pile up here."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        pause = self._busy and len(self._buffer) > _READ_AHEAD_BYTES
        if pause and not self._reading_paused:
            transport.pause_reading()
        elif self._reading_paused and not pause:
            transport.resume_reading()
        self._reading_paused = pause

    def _answer(self, message: bytes) -> None:
        request = parse_request(message)
        send = partial(self._send, request.request_id, legacy=request.legacy, expected=request.reply_expected)
        reply = self._service.commands.run(request.command, legacy=request.legacy)
        self._service.watch_cursors()
        if isinstance(reply, bytes):
            send(reply)
        else:
            self._task = asyncio.get_running_loop().create_task(self._answer_later(send, reply))
            self._service.tasks.add(self._task)
            self._task.add_done_callback(self._service.tasks.discard)

    async def _answer_later(self, send: Callable[[bytes], None], reply: Coroutine[Any, Any, bytes]) -> None:
        try:
            body = await reply
        finally:
            self._task = None
            self._service.watch_cursors()
        send(body)
        self._pump()

    def _send(self, response_to: int, body: bytes, *, legacy: bool, expected: bool) -> None:
        if not expected or self._transport is None or self._transport.is_closing():
            return
        self._replies = (self._replies + 1) & 0x7FFFFFFF
        self._service.served += 1
        self._transport.write(reply_message(body, request_id=self._replies, response_to=response_to, legacy=legacy))

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _closed(self) -> None:
        if not self._counted_open:
            return
        self._counted_open = False
        self._service.open -= 1
        self._buffer.clear()
        if self._task is not None:
            self._task.cancel()
