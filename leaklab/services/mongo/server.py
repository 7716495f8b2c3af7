"""The embedded MongoDB server: its wire protocol over asyncio on loopback, with exact counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaklab.services.listener import Listener
from leaklab.services.mongo.batches import Held, Waiting
from leaklab.services.mongo.commands import CommandServer, ServerFigures
from leaklab.services.mongo.cursors import CursorTable
from leaklab.services.mongo.errors import CommandError
from leaklab.services.mongo.wire import (
    BodyError,
    FramingError,
    encode_document,
    message_bytes,
    parse_request,
    reply_message,
)

if TYPE_CHECKING:
    from leaklab.services.mongo.wire import Request

_READ_AHEAD_BYTES = 64 * 1024  # how much more of a client is read while its last command is still being answered


@dataclass(frozen=True, slots=True)
class MongoCounts:
    """Exact counts since the start; a connection ends at the first sign of it: end of file or loss.

    `requests_served` counts commands that were answered, the handshakes and polls of drivers among them.
    """

    connections_accepted: int
    connections_open: int
    connections_peak: int
    requests_served: int
    cursors_open: int
    cursors_peak: int


class MongoService:
    """One server on a free port of 127.0.0.1, inside the running event loop.

    `cursor_timeout_s` is how long a cursor may be idle, in seconds; past `max_open_cursors` a query that
    needs a cursor is answered with ExceededMemoryLimit. A cursor outlives its client's connection, as on the
    real server.
    """

    def __init__(self, *, cursor_timeout_s: float = 600.0, max_open_cursors: int = 100_000) -> None:
        self._listener = Listener(lambda: _Connection(self))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started_at = 0.0
        self._expiry: asyncio.TimerHandle | None = None
        self._gone: asyncio.Event | None = None
        self.connections: set[_Connection] = set()
        self.waiters: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.open = 0
        self.peak = 0
        self.served = 0
        self.cursors: CursorTable[Held] = CursorTable(
            timeout_s=cursor_timeout_s, max_open=max_open_cursors, clock=self._clock
        )
        self.commands = CommandServer(self.cursors, self._figures)

    def _clock(self) -> float:
        return self._loop.time() if self._loop is not None else 0.0

    async def start(self) -> int:
        """Listen; returns the port.

        Raises RuntimeError if it was started before, OSError if it cannot listen.
        """
        port = await self._listener.start()
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._gone = asyncio.Event()
        return port

    def counts(self) -> MongoCounts:
        """Return the counts as they are now."""
        return MongoCounts(
            connections_accepted=self.accepted,
            connections_open=self.open,
            connections_peak=self.peak,
            requests_served=self.served,
            cursors_open=len(self.cursors),
            cursors_peak=self.cursors.peak,
        )

    def _figures(self) -> ServerFigures:
        return ServerFigures(self.open, self.accepted, self.served, self._clock() - self._started_at)

    async def stop(self) -> None:
        """End listener, connections, cursors and timer; returns when all are gone. May be called again."""
        await self._listener.stop()
        for connection in list(self.connections):
            connection.abort()
        while self.connections and self._gone is not None:
            self._gone.clear()
            await self._gone.wait()
        await asyncio.gather(*self.waiters, return_exceptions=True)
        self.cursors.clear()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def joined(self, connection: _Connection) -> None:
        """Count a connection in."""
        self.connections.add(connection)
        self.accepted += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        if not self._listener.is_listening:  # accepted while the server was being stopped
            connection.abort()

    def left(self, connection: _Connection) -> None:
        """Let go of a connection that is gone for good."""
        self.connections.discard(connection)
        if self._gone is not None:
            self._gone.set()

    def watch_cursors(self) -> None:
        """See to it that a timer runs while a cursor can time out; one for all of them."""
        if self._expiry is None and self._loop is not None and self._listener.is_listening:
            due = self.cursors.next_expiry()
            if due is not None:
                self._expiry = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.cursors.expire()
        self.watch_cursors()


class _Connection(asyncio.Protocol):
    """One client: takes its messages apart and answers them one after the other, in order."""

    def __init__(self, service: MongoService) -> None:
        self._service = service
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._connection_id = 0
        self._replies = 0
        self._counted_open = False
        self._write_blocked = False
        self._reading_paused = False
        self._waiter: asyncio.Task[None] | None = None

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a stream transport is needed, not {type(transport).__name__}")
        self._transport = transport
        self._counted_open = True
        self._service.joined(self)
        self._connection_id = self._service.accepted

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

    # ---- reading

    @property
    def _busy(self) -> bool:
        """Whether the next command has to wait: for the last one, or for a client that does not read."""
        return self._write_blocked or self._waiter is not None

    def _pump(self) -> None:
        """Answer what has arrived, as far as it is complete."""
        try:
            while self._counted_open and not self._busy:
                length = message_bytes(self._buffer)
                if length is None or len(self._buffer) < length:
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
        try:
            request = parse_request(message)
        except BodyError as error:
            body = encode_document(CommandError(error.code, str(error)).document())
            self._send(body, error.request_id, legacy=error.legacy, expected=error.reply_expected)
            return
        reply = self._service.commands.run(request.command, connection_id=self._connection_id, legacy=request.legacy)
        self._service.watch_cursors()
        if isinstance(reply, Waiting):
            self._waiter = asyncio.get_running_loop().create_task(self._wait(request, reply))
            self._service.waiters.add(self._waiter)
            self._waiter.add_done_callback(self._service.waiters.discard)
        else:
            self._send(reply, request.request_id, legacy=request.legacy, expected=request.reply_expected)

    async def _wait(self, request: Request, waiting: Waiting) -> None:
        """Answer a getMore on an awaitData cursor when there is something, or when its time is over."""
        reply: bytes | None = None
        try:
            try:
                async with asyncio.timeout(waiting.wait_s):
                    while reply is None:
                        changed = asyncio.Event()
                        waiting.collection.listeners.add(changed.set)
                        try:
                            await changed.wait()
                        finally:
                            waiting.collection.listeners.discard(changed.set)
                        reply = waiting.retry()
            except TimeoutError:
                pass
            if reply is None:
                reply = waiting.finish()
        except asyncio.CancelledError:
            # The client has gone: its cursor stays, as on the real server.
            waiting.abandon()
            self._service.watch_cursors()
            raise
        self._waiter = None
        self._service.watch_cursors()
        self._send(reply, request.request_id, legacy=request.legacy, expected=request.reply_expected)
        self._pump()

    # ---- writing and ending

    def _send(self, body: bytes, response_to: int, *, legacy: bool, expected: bool) -> None:
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
        if self._waiter is not None:
            self._waiter.cancel()
            self._waiter = None
