"""The lab's HTTP/1.1 service: keep-alive, thousands of connections, exact counts.

h11 parses and frames; `http_routes` decides what a path answers. This module moves bytes between h11 and the sockets,
paces slow answers, and counts.
"""

import asyncio
import math
import select
import socket
import struct
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import cast

import h11

from leaklab.services.http_routes import FILLER, MAX_SIZE, Answer, answer_to, comes_from_this_run, json_body, stranger
from leaklab.services.listener import Listener

# Bounds what the kernel keeps of an unread body; by default that may be 4 MiB for each connection.
_SEND_BUFFER_BYTES = 16 * 1024
_CHUNK = FILLER * (64 * 1024)
_ENDLESS_CHUNK = FILLER * (4 * 1024)
_ENDLESS_INTERVAL_S = 0.010
_SHORTEST_DRIP_S = 0.001
_DRIPS_AT_ONCE = 4096  # at most, in one piece; a drip is a byte, or an event of some twenty
# No connection may keep the loop to itself: after this many steps the others have their turn.
_STEPS_PER_TURN = 32
_LINGER_S = 1.0
_NO_LINGER = struct.pack("ii", 1, 0)  # with it, closing a socket sends RST, and drops what is unsent (socket(7))
_PHRASES = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}

# Does some work each time it is resumed, and yields the seconds until it wants to go on.
_Work = Generator[float, None, None]


@dataclass(frozen=True, slots=True)
class HttpCounts:
    """What clients have done since the service was started.

    `connections_peak`: the most that were open at the same time. `requests_served`: those whose head was received in
    full; `requests_by_route`: the same by `Answer.route`, such as `{"bytes": 50, "HEAD drip": 1}`. Bytes that are not
    an HTTP request are not counted. `answers_due`: slow answers under way whose clients have not left.

    `connections_spent`: those that could not be used again, through no choice of the client: the service ended them, or
    the client left while a slow answer was under way. They do not count if the client itself asked for `close`.
    `waited_s`: the seconds in which at least one client waited for a slow answer: from when its request was received in
    full until the answer was given or the client left, without the time in which the client left bytes unread.
    """

    connections_accepted: int
    connections_open: int
    connections_peak: int
    requests_served: int
    requests_by_route: Mapping[str, int]
    answers_due: int = 0
    connections_spent: int = 0
    waited_s: float = 0.0


class HttpService:
    """An HTTP/1.1 service on a free port of 127.0.0.1, for one start and one stop.

    All methods belong to the thread of the event loop in which it was started. `secret` makes profiles, and the sizes
    of exports, unpredictable.

    With a `base`, every path begins with it, and only who knows it is answered and counted: a connection from its first
    such request on. All others are answered 403. Without one, a connection counts from when it was accepted. It counts
    as open until the first sign that its client has ended it (FIN or RST): so a client that closes one connection and
    then opens the next never has two open.
    """

    def __init__(self, *, secret: str = "", base: str = "") -> None:
        self.secret = secret
        self.base = base
        self.open_connections: set[_HttpConnection] = set()  # those that their clients have not ended
        self.requests_by_route: Counter[str] = Counter()
        self.failed: set[int] = set()  # the numbers whose first request has failed (`Answer.fails_first`)
        self.connections_spent = 0
        # One for all connections: each reads it out before the loop calls the next.
        self.receive_buffer = memoryview(bytearray(64 * 1024))
        self._listener = Listener(lambda: _HttpConnection(self))
        self._connections: dict[int, _HttpConnection] = {}  # by file descriptor
        self._accepted = 0
        self._peak = 0
        self._awaiting: set[_HttpConnection] = set()  # those whose clients wait for a slow answer
        self._waited_s = 0.0
        self._waited_until = 0.0  # up to when _waited_s is known, by the loop's clock
        self._hangups: select.epoll | None = None  # on Linux, while it runs

    async def start(self) -> int:
        """Listen; return the port. `RuntimeError` if it was started before, `OSError` if it cannot listen."""
        try:
            port = await self._listener.start(send_buffer=_SEND_BUFFER_BYTES)
            if sys.platform == "linux":
                self._hangups = select.epoll()
                asyncio.get_running_loop().add_reader(self._hangups, self._notice_hangups)
        except OSError:
            await self.stop()
            raise
        return port

    def counts(self) -> HttpCounts:
        """Return the counts of this moment; a connection that its client has ended is no longer open."""
        self._notice_hangups()
        return HttpCounts(
            connections_accepted=self._accepted,
            connections_open=len(self.open_connections),
            connections_peak=self._peak,
            requests_served=self.requests_by_route.total(),
            requests_by_route=dict(self.requests_by_route),
            answers_due=sum(connection.answer_due for connection in self.open_connections),
            connections_spent=self.connections_spent,
            waited_s=self._clock_wait(),
        )

    async def stop(self) -> None:
        """Close the listener and every connection, cancel all that is pending; nothing is left after it."""
        await self._listener.stop()
        for connection in self._connections.values():
            connection.transport.abort()
        while self._connections:  # the loop reports each as lost in its next turn
            await asyncio.sleep(0)
        if self._hangups is not None:
            asyncio.get_running_loop().remove_reader(self._hangups)
            self._hangups.close()
            self._hangups = None

    def made(self, connection: "_HttpConnection") -> None:
        """Note a new connection, after those that ended before it was opened are counted out."""
        self._notice_hangups()
        if self._hangups is not None:
            self._hangups.register(connection.fileno, select.EPOLLRDHUP | select.EPOLLONESHOT)
        self._connections[connection.fileno] = connection
        if not self.base:
            self.admit(connection)

    def admit(self, connection: "_HttpConnection") -> None:
        """Count a connection of this run; its client may have left already."""
        self._notice_hangups()
        connection.is_admitted = True
        self._accepted += 1
        self._peak = max(self._peak, len(self.open_connections) + 1)
        if not connection.has_left:
            self.open_connections.add(connection)

    def set_awaiting(self, connection: "_HttpConnection", awaiting: bool) -> None:
        """Note whether a client waits for a slow answer, from now on; one that has left does not."""
        self._clock_wait()
        self._awaiting.discard(connection)
        if awaiting and connection in self.open_connections:
            self._awaiting.add(connection)

    def _clock_wait(self) -> float:
        """Bring the time in which a client waited up to now, and return it."""
        now = asyncio.get_running_loop().time()
        if self._awaiting:
            self._waited_s += now - self._waited_until
        self._waited_until = now
        return self._waited_s

    def lost(self, connection: "_HttpConnection") -> None:
        """Forget a connection whose socket is about to be closed."""
        if self._connections.pop(connection.fileno, None) is not None and self._hangups is not None:
            self._hangups.unregister(connection.fileno)

    def _notice_hangups(self) -> None:
        """Count out the connections that their clients have ended, also those that are not being read (on Linux).

        The event loop alone learns of a client's end when it comes to read that connection, which may be after it has
        accepted that client's next one, or never while reading is paused. An epoll of its own, asked for nothing but
        hang-ups, can be polled in between, at a cost that does not grow with the number of connections.
        """
        while self._hangups is not None and (events := self._hangups.poll(0, 256)):
            for fileno, event in events:
                connection = self._connections[fileno]
                connection.count_out()
                wholly = event & (select.EPOLLHUP | select.EPOLLERR)
                if not wholly:
                    # The other side may follow: that is reported without being asked for, but only once armed.
                    self._hangups.modify(fileno, select.EPOLLONESHOT)
                # While reading, the loop itself reports the end, after the last bytes that were received.
                if not connection.transport.is_reading() and (wholly or connection.answer_due):
                    connection.transport.abort()


class _HttpConnection(asyncio.BufferedProtocol):
    """One client's connection: reads a request to its end, answers it, then goes on to the next.

    `_work` handles what was received, step by step. No step is taken while anything waits to be sent, so a client that
    does not read costs one chunk; a step that wants to wait says for how long.

    Only `idle-close` has an idle timeout, on purpose: a connection that a learner's program keeps must stay visible in
    the counts for as long as the program keeps it.
    """

    def __init__(self, service: HttpService) -> None:
        self.transport: asyncio.Transport  # set by connection_made, as is fileno
        self.fileno: int
        self.answer_due = False  # whether an answer that takes its time is being given
        self.is_admitted = False  # whether it counts
        self.has_left = False  # whether its client has ended it
        self._service = service
        self._http = h11.Connection(h11.SERVER)
        self._answer: Answer | None = None  # to the request that is being read or answered
        self._head_only = False
        self._work: _Work | None = None  # None while everything received has been handled
        self._timer: asyncio.Handle | None = None  # resumes _work, or ends an idle connection
        self._idle_s: float | None = None  # after which an idle connection is ended
        self._is_reusable = False  # whether the client of the last request meant to use the connection again
        self._lingering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=0)  # resume_writing is called once everything has been sent
        self.fileno = transport.get_extra_info("socket").fileno()
        self._service.made(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (the interface's)
        return self._service.receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if not self._lingering:
            self._receive(bytes(self._service.receive_buffer[:nbytes]))

    def count_out(self) -> None:
        """Count this connection as ended; again has no effect."""
        self.has_left = True
        self._service.open_connections.discard(self)
        self._service.set_awaiting(self, False)
        if self.answer_due:
            self._spend()

    def eof_received(self) -> bool:
        self.count_out()
        if self._lingering or self.answer_due:
            # Nearly always a client that ran into its timeout and closed; one that merely has no more requests looks
            # the same. Go's server treats both as gone, too.
            return False
        self._receive(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the interface's)
        self.count_out()
        self._service.lost(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._work.close()  # its frame refers to this connection: a cycle, which only gc would end

    def pause_writing(self) -> None:
        self._service.set_awaiting(self, False)  # there is something to read: its client does not wait

    def resume_writing(self) -> None:
        self._service.set_awaiting(self, self.answer_due)
        if self._timer is None:
            # Not in here: a connection that is closed, or reset, during this call is ended twice (CPython 3.11,
            # _SelectorSocketTransport._write_ready).
            self._timer = asyncio.get_running_loop().call_soon(self._go_on)

    def _receive(self, data: bytes) -> None:
        self._http.receive_data(data)
        if self._work is None:
            if self._timer is not None:
                self._timer.cancel()
            self._work = self._handle_received()
            self._go_on()
        elif data:
            # A pipelining client waits with its next requests in the kernel's buffers, not in this process's memory.
            # (Reading goes on until then, so that a client that leaves during a slow answer is noticed.)
            self.transport.pause_reading()

    def _go_on(self) -> None:
        """Work until it is time to wait: for the clock, the client or the other connections."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for _ in range(_STEPS_PER_TURN):
            if self._work is None or self.transport.is_closing() or self.transport.get_write_buffer_size():
                return  # resume_writing goes on, if the client reads
            pause = next(self._work, None)
            if pause is None:
                self._work = None
                if self._idle_s is not None:
                    self._timer = loop.call_later(self._idle_s, self._hang_up)
                return
            if pause > 0:
                if pause < math.inf:
                    self._timer = loop.call_later(pause, self._go_on)
                return
        self._timer = loop.call_soon(self._go_on)

    def _hang_up(self) -> None:
        self._spend()
        self.transport.close()

    def _spend(self) -> None:
        """Count this connection, once, as one that its client would have used again, but cannot."""
        self._service.connections_spent += self._is_reusable
        self._is_reusable = False

    def _set_due(self, due: bool) -> None:
        self.answer_due = due
        self._service.set_awaiting(self, due)

    def _handle_received(self) -> _Work:
        """Answer what was received, up to a request that is not complete yet."""
        try:
            while not isinstance(event := self._http.next_event(), h11.ConnectionClosed):
                if event is h11.NEED_DATA:
                    self.transport.resume_reading()
                    return
                if isinstance(event, h11.Request):
                    self._begin(event)
                elif isinstance(event, h11.EndOfMessage) and self._answer is not None:
                    self._is_reusable = self.is_admitted and self._http.their_state is not h11.MUST_CLOSE
                    yield from self._perform(self._answer)
                    self._answer, self._head_only = None, False
                    if self._http.our_state is not h11.DONE:  # it must close, or broke off
                        break
                    self._http.start_next_cycle()
                # What is left is a piece of the request's body, which is dropped.
                yield 0.0
        except h11.RemoteProtocolError as error:
            yield from self._refuse(error)
        self.transport.close()

    def _begin(self, request: h11.Request) -> None:
        # h11 lets nothing but visible ASCII through in a method or a target.
        headers = dict(request.headers)
        ranges = headers.get(b"range", b"").decode("latin-1")
        method, target = request.method.decode("ascii"), request.target.decode("ascii")
        host = headers.get(b"host")
        if not comes_from_this_run(target, self._service.base, None if host is None else host.decode("latin-1")):
            self._answer, self._head_only = stranger(), method == "HEAD"
            return
        if not self.is_admitted:
            self._service.admit(self)
        answer = answer_to(method, target, self._service.secret, ranges, self._service.base)
        if answer.fails_first is not None and answer.fails_first not in self._service.failed:
            self._service.failed.add(answer.fails_first)
            answer = replace(answer, status=503, body=json_body({"error": "not available now; ask again"}))
        self._answer = answer
        self._head_only = method == "HEAD"
        self._service.requests_by_route[answer.route] += 1
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.transport.write(self._http.send(go_on))

    def _perform(self, answer: Answer) -> _Work:
        """Give an answer; head and first bytes of the body go together, as one packet."""
        self._idle_s = answer.idle_s
        self._set_due(answer.timed)
        yield answer.wait
        reason = _PHRASES.get(answer.status, b"")
        head = self._http.send(h11.Response(status_code=answer.status, headers=answer.headers, reason=reason))
        breaks_off = answer.missing > 0 and not self._head_only
        if breaks_off or self._http.their_state is h11.MUST_CLOSE:
            self._spend()
        if answer.head_drips:
            for start, end, pause in self._beats(answer.head_drips, answer.interval or 0.0):
                drips = slice(len(head) * start // answer.head_drips, len(head) * end // answer.head_drips)
                self.transport.write(head[drips])
                yield pause
            head = b""
        for piece, pause in self._body(answer):
            self.transport.write(head + self._http.send(h11.Data(data=piece)))
            head = b""
            yield pause
        self.transport.write(head + (b"" if breaks_off else self._http.send(h11.EndOfMessage())))
        self._set_due(False)
        if answer.resets and breaks_off:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)

    def _body(self, answer: Answer) -> Iterator[tuple[bytes, float]]:
        """Yield the pieces of a body, each with the seconds to wait after it."""
        if self._head_only:
            return
        if answer.filler is None:
            yield answer.body, 0.0
        elif answer.interval is not None:
            for start, end, pause in self._beats(int(min(answer.filler, MAX_SIZE)), answer.interval):
                yield answer.part(start, end), pause
        elif answer.filler == math.inf:
            while True:
                yield _ENDLESS_CHUNK, _ENDLESS_INTERVAL_S
        else:
            size = int(answer.filler) - answer.missing
            for start in range(0, size, len(_CHUNK)):
                yield _CHUNK[: size - start], 0.0

    def _beats(self, count: int, interval: float) -> Iterator[tuple[int, int, float]]:
        """Yield the drips that are due, as a range of all `count`, and the seconds until the next is.

        One is due after each `interval` seconds, counted from the start, so that being late does not add up.
        """
        clock = asyncio.get_running_loop().time
        begin = clock()
        done = 0
        while done < count:
            late = clock() - begin
            due = count if late >= count * interval else int(late / interval)
            end = min(due, done + _DRIPS_AT_ONCE)
            # Several drips share one pause if they follow each other too fast for a timer each.
            pause = max(begin + (due + 1) * interval - clock(), _SHORTEST_DRIP_S) if end == due < count else 0.0
            yield done, end, pause
            done = end

    def _refuse(self, error: h11.RemoteProtocolError) -> _Work:
        """Answer a client that does not speak HTTP with the error; return when it may be closed."""
        body = json_body({"error": str(error)[:500]})  # h11 quotes what it refuses
        answer = Answer("", error.error_status_hint, (("Connection", "close"),), body)
        yield from self._perform(answer if self.is_admitted else stranger())
        _, client_has_finished = self._http.trailing_data
        if not client_has_finished:
            # Closing while the client still sends would reset the connection, and the reset may overtake the answer.
            # So the service says that it has finished, and reads and drops what comes until the client has, too.
            self._lingering = True
            self.transport.resume_reading()
            with suppress(OSError):  # reset in this very moment; the loop will report it
                self.transport.write_eof()
            yield _LINGER_S
