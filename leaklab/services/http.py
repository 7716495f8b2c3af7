"""The lab's HTTP/1.1 service: keep-alive, thousands of connections, exact counts.

All parsing and framing is h11's. This module moves bytes between h11 and the sockets, keeps the time of slow
answers, and counts. `http_routes` decides what a path answers.
"""

import asyncio
import json
import math
import select
import socket
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import h11

from leaklab.services.http_routes import Answer, answer_to
from leaklab.services.listener import Listener

_RECEIVE_BYTES = 64 * 1024
# Bounds what the kernel keeps of an unread body; by default that may be 4 MiB for each connection.
_SEND_BUFFER_BYTES = 64 * 1024
_CHUNK = bytes(64 * 1024)
_ENDLESS_CHUNK = bytes(4 * 1024)
_ENDLESS_INTERVAL_S = 0.010
_SHORTEST_DRIP_S = 0.001
# No connection may keep the loop to itself: after so much work it lets the others have their turn.
_EVENTS_PER_TURN = 64
_PIECES_PER_TURN = 16
_LINGER_S = 1.0
_ERROR_CHARACTERS = 500

# What an answer's script yields: bytes to write now, and the seconds to wait after them.
_Script = Generator[tuple[bytes, float], None, None]


@dataclass(frozen=True, slots=True)
class HttpCounts:
    """What clients made of the service since it was started.

    `connections_accepted`, `connections_open` now, `connections_peak`: the most that were open at the same time.
    `requests_served` counts each request whose head was completely received, `requests_by_route` the same by
    the kind of path, for example `{"bytes": 50, "drip": 1}`; what was refused is counted as `refused-value`
    (400), `unknown` (404) and `refused-method` (405). Bytes that are no HTTP request are not counted.
    `answers_due` now: answers that take their time, and that a client which has not left is still waiting for.
    """

    connections_accepted: int
    connections_open: int
    connections_peak: int
    requests_served: int
    requests_by_route: Mapping[str, int]
    answers_due: int = 0


class HttpService:
    """An HTTP/1.1 service on a free port of 127.0.0.1, for one start and one stop.

    All methods belong to the thread of the event loop in which it was started. `secret` makes the profiles
    unpredictable.

    A connection counts as open from when the service has accepted it, at the latest when its first request is
    served, until the first sign that its client has ended it (FIN or RST). So a client that closes one
    connection and then opens the next never has two open.
    """

    def __init__(self, *, secret: str = "") -> None:
        self.secret = secret
        self._listener = Listener(lambda: _Connection(self, asyncio.get_running_loop()))
        self._connections: set[_Connection] = set()
        self._nothing_left: asyncio.Event | None = None
        self._watch: _HangupWatch | None = None
        self._accepted = 0
        self._open = 0
        self._peak = 0
        self._by_route: dict[str, int] = {}
        # One for all connections: each reads it out before the loop calls the next.
        self.receive_buffer = memoryview(bytearray(_RECEIVE_BYTES))

    async def start(self) -> int:
        """Listen; return the port. `RuntimeError` if it was started before, `OSError` if it cannot listen."""
        watch = _HangupWatch(asyncio.get_running_loop()) if sys.platform == "linux" else None
        try:
            port = await self._listener.start(send_buffer=_SEND_BUFFER_BYTES)
        except (OSError, RuntimeError):
            if watch is not None:
                watch.close()
            raise
        self._nothing_left = asyncio.Event()
        self._watch = watch
        return port

    def counts(self) -> HttpCounts:
        """Return the counts of this moment; a connection that its client has ended is not open any more."""
        if self._watch is not None:
            self._watch.look()
        return HttpCounts(
            connections_accepted=self._accepted,
            connections_open=self._open,
            connections_peak=self._peak,
            requests_served=sum(self._by_route.values()),
            requests_by_route=dict(self._by_route),
            answers_due=sum(connection.owes_an_answer for connection in self._connections),
        )

    async def stop(self) -> None:
        """Close the listener and every connection, cancel all that is pending; nothing is left after it."""
        await self._listener.stop()
        if self._connections and self._nothing_left is not None:
            self._nothing_left.clear()
            for connection in list(self._connections):
                connection.abort()
            await self._nothing_left.wait()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def made(self, connection: "_Connection", sock: socket.socket) -> None:
        """Count a new connection."""
        if self._watch is not None:
            # A connection that the client ended before opening this one is counted out first, in whichever
            # order the loop learns of the two.
            self._watch.look()
            self._watch.add(sock.fileno(), connection)
        self._connections.add(connection)
        self._accepted += 1
        self._open += 1
        self._peak = max(self._peak, self._open)

    def ended(self) -> None:
        """Count a connection as open no longer; each connection says so once."""
        self._open -= 1

    def lost(self, connection: "_Connection", fileno: int) -> None:
        """Forget a connection whose socket is about to be closed."""
        self._connections.discard(connection)
        if self._watch is not None:
            self._watch.remove(fileno)
        if not self._connections and self._nothing_left is not None:
            self._nothing_left.set()

    def served(self, route: str) -> None:
        """Count a request."""
        self._by_route[route] = self._by_route.get(route, 0) + 1


class _Connection(asyncio.BufferedProtocol):
    """One client's connection: reads a request to its end, answers it, then goes on to the next.

    There is no idle timeout, on purpose: a connection that a learner's program keeps must stay visible in the
    counts for as long as the program keeps it.
    """

    __slots__ = (
        "_answer",
        "_ended",
        "_eof",
        "_fileno",
        "_head_only",
        "_http",
        "_lingering",
        "_loop",
        "_script",
        "_service",
        "_timer",
        "_transport",
        "_writable",
    )

    def __init__(self, service: HttpService, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._http = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport  # from connection_made on
        self._fileno = -1
        self._answer: Answer | None = None  # to the request that is being read or answered
        self._head_only = False
        self._script: _Script | None = None  # what is left of the answer that is being given
        self._timer: asyncio.Handle | None = None  # calls _turn, or ends the lingering
        self._writable = True
        self._eof = False
        self._lingering = False
        self._ended = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Nothing more is written while anything waits to be sent: a client that does not read costs one
        # chunk.
        self._transport.set_write_buffer_limits(high=0)
        sock = cast("socket.socket", transport.get_extra_info("socket"))
        self._fileno = sock.fileno()
        self._service.made(self, sock)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (the interface's)
        return self._service.receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._lingering:
            return
        self._http.receive_data(bytes(self._service.receive_buffer[:nbytes]))
        if self._script is not None or self._timer is not None or not self._writable:
            # A pipelining client waits with its next requests in the kernel's buffers, not in this process's
            # memory. (Reading goes on until then, so that a client that leaves during a slow answer is
            # noticed.)
            self._transport.pause_reading()
        else:
            self._advance()

    def eof_received(self) -> bool:
        self._end()
        self._eof = True
        if self._lingering or (self._script is not None and self._is_timed()):
            # Nearly always a client that ran into its timeout and closed; one that merely said that it has no
            # more requests looks the same. Go's server treats both as gone, too.
            return False
        self._http.receive_data(b"")
        if self._script is None and self._timer is None and self._writable:
            self._advance()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the interface's)
        self._end()
        self._cancel_timer()
        self._script = None
        self._service.lost(self, self._fileno)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._timer is None:
            self._turn()

    # What the service calls.

    @property
    def owes_an_answer(self) -> bool:
        """Whether an answer that takes its time is being given, to a client that is still there."""
        return self._script is not None and self._is_timed() and not self._ended

    def abort(self) -> None:
        """Close immediately; what was not yet sent is dropped."""
        self._transport.abort()

    def hung_up(self, *, wholly: bool) -> None:
        """Learn from the watch that the client has closed its side, or `wholly`: both sides."""
        self._end()
        # While reading, the loop reports the rest in its own time, after the last bytes that were received.
        if not self._transport.is_reading() and (wholly or (self._script is not None and self._is_timed())):
            self._transport.abort()

    # Reading requests.

    def _turn(self) -> None:
        """Go on with whatever is next: the answer that is being given, or the requests that follow it."""
        self._timer = None
        if self._transport.is_closing():
            return
        if self._script is not None:
            self._play(self._script)
        self._advance()

    def _advance(self) -> None:
        """Handle what was received, up to a request that is not yet complete or not yet answered."""
        for _ in range(_EVENTS_PER_TURN):
            if self._script is not None or not self._writable or self._transport.is_closing():
                return
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error)
                return
            if event is h11.NEED_DATA:
                self._transport.resume_reading()
                return
            if isinstance(event, h11.ConnectionClosed):
                self._transport.close()
                return
            if isinstance(event, h11.Request):
                self._route(event)
            elif isinstance(event, h11.EndOfMessage) and self._answer is not None:
                self._script = self._perform(self._answer)
                self._play(self._script)
            # What is left is a piece of the request's body, which is dropped.
        if self._timer is None and self._script is None:
            self._timer = self._loop.call_soon(self._turn)

    def _route(self, request: h11.Request) -> None:
        # h11 lets nothing but visible ASCII through in a method or a target.
        self._answer = answer_to(request.method.decode("ascii"), request.target.decode("ascii"), self._service.secret)
        self._head_only = request.method == b"HEAD"
        self._service.served(self._answer.route)
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self._transport.write(self._http.send(go_on))

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Answer a client that does not speak HTTP with the error, and close."""
        body = json.dumps({"error": str(error)[:_ERROR_CHARACTERS]}).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        answer = Answer("", status=error.error_status_hint)
        response = h11.Response(status_code=answer.status, headers=headers, reason=answer.reason.encode("ascii"))
        head = self._http.send(response)
        self._transport.write(head if self._head_only else head + self._http.send(h11.Data(data=body)))
        if self._eof or self._transport.is_closing() or self._transport.get_write_buffer_size():
            self._transport.close()
            return
        # Closing while the client still sends would reset the connection, and the reset may overtake the
        # answer. So the service says that it has finished, and reads and drops what comes until the client
        # has finished too.
        self._lingering = True
        self._cancel_timer()
        self._timer = self._loop.call_later(_LINGER_S, self._transport.abort)
        self._transport.resume_reading()
        with suppress(OSError):  # reset in this very moment; the loop will report it
            self._transport.write_eof()

    # Answering.

    def _play(self, script: _Script) -> None:
        """Write what the script yields, at its pace and the client's; when it has ended, close or go on."""
        for _ in range(_PIECES_PER_TURN):
            if not self._writable or self._transport.is_closing():
                return  # resume_writing goes on, if the client reads
            step = next(script, None)
            if step is None:
                self._answered()
                return
            piece, pause = step
            if piece:
                self._transport.write(piece)
            if pause == math.inf:
                return
            if pause > 0:
                self._timer = self._loop.call_later(pause, self._turn)
                return
        self._timer = self._loop.call_soon(self._turn)

    def _answered(self) -> None:
        self._script = None
        self._answer = None
        self._head_only = False
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()

    def _perform(self, answer: Answer) -> _Script:
        """Yield the bytes of an answer; head and first bytes of the body go together, as one packet."""
        while answer.wait == math.inf:
            yield b"", math.inf
        if answer.wait > 0:
            yield b"", answer.wait
        send = self._http.send
        head = send(
            h11.Response(
                status_code=answer.status,
                headers=list(answer.headers),
                reason=answer.reason.encode("ascii"),
            )
        )
        body = b"" if self._head_only else answer.body
        if answer.head_drips:
            yield from self._drip_head(head, answer)
            head = b""
        if answer.filler is None or self._head_only:
            yield head + (send(h11.Data(data=body)) if body else b"") + send(h11.EndOfMessage()), 0.0
            return
        if answer.filler == math.inf:
            yield from self._endless(head)
        elif answer.interval is not None:
            yield head, 0.0
            head = b""
            for done, due, pause in self._beats(int(answer.filler), answer.interval):
                yield send(h11.Data(data=bytes(due - done))), pause
        else:
            left = int(answer.filler)
            while left:
                chunk = _CHUNK if left >= len(_CHUNK) else bytes(left)
                left -= len(chunk)
                yield head + send(h11.Data(data=chunk)), 0.0
                head = b""
        yield head + send(h11.EndOfMessage()), 0.0

    def _drip_head(self, head: bytes, answer: Answer) -> _Script:
        """Yield a head in as many pieces as the answer says, one for each interval."""
        count = answer.head_drips or 1
        for done, due, pause in self._beats(count, answer.interval or 0.0):
            yield head[len(head) * done // count : len(head) * due // count], pause

    def _endless(self, head: bytes) -> _Script:
        while True:
            yield head + self._http.send(h11.Data(data=_ENDLESS_CHUNK)), _ENDLESS_INTERVAL_S
            head = b""

    def _beats(self, count: int, interval: float) -> Iterator[tuple[int, int, float]]:
        """Yield how many of `count` drips were done, how many are due, and the seconds until the next is.

        One is due after each `interval` seconds, counted from the start, so that being late does not add up.
        """
        start = self._loop.time()
        done = 0
        while done < count:
            late = self._loop.time() - start
            due = count if late >= count * interval else int(late / interval)
            if due == count or due > done + len(_CHUNK):
                due = min(due, done + len(_CHUNK))
                pause = 0.0
            else:
                # Several drips share one pause if they follow each other too fast for a timer each.
                pause = max(start + (due + 1) * interval - self._loop.time(), _SHORTEST_DRIP_S)
            yield done, due, pause
            done = due

    # Ending.

    def _is_timed(self) -> bool:
        return self._answer is not None and self._answer.timed

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._service.ended()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _HangupWatch:
    """Knows which clients have hung up, also of connections that are not being read (Linux only).

    The event loop alone learns of a client's end when it comes to read that connection, which may be after it
    has accepted that client's next one, or never while reading is paused. An epoll of its own, asked for
    nothing but hang-ups, can be looked at in between, at a cost that does not grow with the number of
    connections.
    """

    __slots__ = ("_connections", "_epoll", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        loop.add_reader(self._epoll, self.look)

    def add(self, fileno: int, connection: _Connection) -> None:
        self._connections[fileno] = connection
        self._epoll.register(fileno, select.EPOLLRDHUP | select.EPOLLONESHOT)

    def remove(self, fileno: int) -> None:
        if self._connections.pop(fileno, None) is not None:
            self._epoll.unregister(fileno)

    def look(self) -> None:
        """Notify each connection whose client has hung up since the last look."""
        while events := self._epoll.poll(0, 256):
            for fileno, event in events:
                wholly = bool(event & (select.EPOLLHUP | select.EPOLLERR))
                if not wholly:
                    # The other side may still follow: that is reported without being asked for, but only once
                    # armed.
                    self._epoll.modify(fileno, select.EPOLLONESHOT)
                self._connections[fileno].hung_up(wholly=wholly)

    def close(self) -> None:
        self._loop.remove_reader(self._epoll)
        self._epoll.close()
