"""What the HTTP service promises to the halves that talk to it and to the runner that reads its counts."""

import asyncio
import json
import resource
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple
from unittest.mock import patch

import psutil
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from leaklab.services.endpoints import HttpEndpoint
from leaklab.services.hosted_http import HostedHttp
from leaklab.services.http import HttpCounts, HttpService
from leaklab.services.http_routes import export_size, profile

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Lab:
    """A service that runs in a thread of its own, and what a test needs to talk to it."""

    service: HttpService
    loop: asyncio.AbstractEventLoop
    port: int

    def counts(self) -> HttpCounts:
        async def read() -> HttpCounts:
            return self.service.counts()

        return asyncio.run_coroutine_threadsafe(read(), self.loop).result(PATIENCE_S)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.service.stop(), self.loop).result(PATIENCE_S)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def states(self) -> set[str]:
        own = psutil.Process().net_connections("tcp")
        return {sock.status for sock in own if sock.laddr == ("127.0.0.1", self.port)}

    def until(self, condition: Callable[[HttpCounts], bool]) -> HttpCounts:
        """Wait for counts that fulfil the condition, and return them; fails with the last ones."""
        end = time.monotonic() + PATIENCE_S
        while not condition(counts := self.counts()):
            assert time.monotonic() < end, counts
            time.sleep(0.005)
        return counts

    def assert_healthy(self) -> None:
        """A well-behaved client is served whatever the others do."""
        with requests.Session() as session:
            for n in range(3):
                assert session.get(self.url(f"/profiles/{n}"), timeout=PATIENCE_S).content == profile(n)


@contextmanager
def serving() -> Iterator[Lab]:
    errors: list[dict[str, object]] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Lab:
        service = HttpService()
        return Lab(service, loop, await service.start())

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE_S)
    try:
        yield lab
    finally:
        lab.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()
    assert (asyncio.all_tasks(loop), errors) == (set(), [])


@pytest.fixture
def lab(caplog: pytest.LogCaptureFixture) -> Iterator[Lab]:
    with serving() as lab:
        yield lab
    assert [record.message for record in caplog.get_records("call") if record.name == "asyncio"] == []


@pytest.fixture
def sock(lab: Lab) -> Iterator[socket.socket]:
    with lab.connect() as sock:
        yield sock


@contextmanager
def little_memory() -> Iterator[None]:
    """Python allocates less than 16 MiB in the block."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def request(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: lab", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytearray


def exchange(sock: socket.socket, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Reply:
    """Send one request on a connection and read one reply; fails if a byte follows the reply."""
    sock.sendall(request(path, f"Content-Length: {len(body)}", *headers, method=method) + body)
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += sock.recv(1 << 16) or pytest.fail("the service closed the connection")
    head, _, content = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    reply = Reply(int(status_line.split()[1]), dict(line.split(": ", 1) for line in lines), content)
    length = 0 if method == "HEAD" or reply.status in {204, 304} else int(reply.headers["Content-Length"])
    while len(content) < length:
        content += sock.recv(1 << 16) or pytest.fail("the service closed the connection")
    assert len(content) == length, "nothing follows a reply"
    return reply


def read_to_end(sock: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := sock.recv(1 << 16):
            received += data
    return bytes(received)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends RST
    sock.close()


LEAVE: dict[str, Callable[[socket.socket], None]] = {
    "close": socket.socket.close,
    "reset": reset,
    "finish": lambda sock: sock.shutdown(socket.SHUT_WR),
}


def test_it_listens_on_loopback_only_and_is_started_once(lab: Lab) -> None:
    assert lab.states() == {psutil.CONN_LISTEN}
    with pytest.raises(RuntimeError, match="started before"):
        asyncio.run_coroutine_threadsafe(lab.service.start(), lab.loop).result(PATIENCE_S)
    lab.assert_healthy()


def test_stop_ends_listener_connections_and_pending_replies(lab: Lab) -> None:
    """Idle, waiting, dripping and unread connections all end, and stop may be repeated."""
    paths = ["/silent", "/delay/3600", "/drip/100/3600", "/drip-head/100/3600", "/endless", "/bytes/1000000000"]
    with ExitStack() as stack:
        socks = [stack.enter_context(lab.connect()) for _ in range(len(paths) + 1)]
        for sock, path in zip(socks, paths, strict=False):
            sock.sendall(request(path))
        lab.until(lambda counts: counts.requests_served == len(paths) and counts.connections_open == 7)
        lab.stop()
        for sock in socks:
            read_to_end(sock)
        with pytest.raises(ConnectionRefusedError):
            lab.connect()
        assert (lab.counts().connections_open, lab.states()) == (0, set())
        lab.stop()
    asyncio.run(HttpService().stop())  # before it was started


@pytest.mark.parametrize("path", ["/bytes/0", "/bytes/1", "/bytes/65537", "/bytes/3000000", "/drip/70000/0"])
def test_a_body_has_exactly_the_size_asked_for(sock: socket.socket, path: str) -> None:
    reply, size = exchange(sock, path), int(path.split("/")[2])
    assert (reply.status, reply.body) == (200, bytearray(size))
    assert reply.headers["Content-Length"] == str(size)
    assert reply.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("target", ["/bytes/7?profile=7&x=/y", "http://127.0.0.1:80/bytes/7?x=1", "HTTPS://a/bytes/7"])
def test_neither_a_query_nor_an_absolute_target_changes_the_answer(lab: Lab, sock: socket.socket, target: str) -> None:
    assert exchange(sock, target).body == bytes(7)
    assert lab.counts().requests_by_route == {"bytes": 1}


def test_profiles_are_about_two_kilobytes_and_cannot_be_known_without_the_secret(sock: socket.socket) -> None:
    profiles, others = [profile(n) for n in range(401)], [profile(n, "secret") for n in range(401)]
    assert len({document[:16] for document in profiles + others}) == 802
    assert [len(document) for document in profiles] != [len(document) for document in others]
    assert all(1_848 <= len(document) < 2_249 for document in profiles)
    assert all(json.loads(document)["id"] == n for n, document in enumerate(profiles))
    for n in (0, 7, 400):
        assert exchange(sock, f"/profiles/{n}").body == profiles[n]


def test_exports_are_far_larger_than_the_buffers_and_of_a_size_that_needs_the_secret(sock: socket.socket) -> None:
    sizes, others = [export_size(n) for n in range(401)], [export_size(n, "secret") for n in range(401)]
    assert len({*sizes, *others}) > 790
    assert all(384 * 1024 <= size < 512 * 1024 for size in sizes + others)
    for n in (0, 7):
        assert len(exchange(sock, f"/exports/{n}").body) == sizes[n]


@pytest.mark.parametrize("route", ["delay", "silent"])
def test_a_late_reply_comes_after_its_time_and_leaves_the_connection_usable(sock: socket.socket, route: str) -> None:
    begin = time.monotonic()
    assert json.loads(exchange(sock, f"/{route}/0.2").body) == {"waited": 0.2}
    assert time.monotonic() - begin >= 0.19
    assert json.loads(exchange(sock, f"/{route}/0").body) == {"waited": 0.0}


def test_an_answer_is_due_while_it_takes_its_time_and_its_client_is_there(lab: Lab) -> None:
    with lab.connect() as gone, lab.connect() as there:
        for sock in (gone, there):
            sock.sendall(request("/silent"))
        lab.until(lambda counts: counts.answers_due == 2)
        gone.shutdown(socket.SHUT_WR)
        assert (gone.recv(1), lab.counts().answers_due) == (b"", 1)
        with lab.connect() as idle:
            exchange(idle, "/delay/0.01")
            assert lab.counts().answers_due == 1
    lab.until(lambda counts: counts.answers_due == 0)


@pytest.mark.parametrize(("path", "head_is_whole"), [("/drip/30000/0.01", True), ("/drip-head/30000/0.01", False)])
def test_drips_come_at_their_pace(sock: socket.socket, path: str, head_is_whole: bool) -> None:
    """A read timeout shorter than the whole is never reached: that is the trap these routes are for."""
    begin = time.monotonic()
    sock.sendall(request(path))
    pieces = [sock.recv(1 << 16) for _ in range(10)]
    head, end, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert bool(end) is head_is_whole
    drips = len(body if head_is_whole else head)
    assert 1 < drips <= (time.monotonic() - begin) / 0.01 * 1.01  # the head has more bytes than drips


@pytest.mark.parametrize("drips", ["0/1", "3/0", "500/0.0001", "3/1e-300", "5/0.02", "32768/0"])
def test_drips_of_any_pace_add_up(sock: socket.socket, drips: str) -> None:
    count = int(drips.partition("/")[0])
    assert exchange(sock, f"/drip/{drips}").body == bytes(count)
    assert json.loads(exchange(sock, f"/drip-head/{drips}").body) == {"drips": count}
    assert exchange(sock, "/bytes/1").body == b"\0"


NO_PATHS = ["/", "/nope", "/bytes", "/bytes/1/2", "/bytes/1/", "//bytes/1", "/silent/1/2", "/%20"]
BAD_VALUES = {
    "/bytes/{}": ("-1", "many", "1.5", "", str(2**40 + 1), "9" * 5000),
    "/profiles/{}": ("x",),
    "/delay/{}": ("nan", "inf", "-0.1", "3600.1", "1_0"),
    "/drip/{}/1": ("-5",),
    "/drip-head/{}/1": ("32769",),
    "/status/{}": ("199", "600", "ok"),
    "/idle-close/1/{}": ("-1",),
    "/events/{}/1": ("some",),
    **dict.fromkeys(("/reset/{}", "/truncated/{}"), ("0",)),
    **dict.fromkeys(("/flaky/{}", "/close/{}", "/redirect/{}"), ("x",)),
}
ANSWERS = [("GET", code, "status", f"/status/{code}", f'{{"status": {code}}}') for code in (200, 299, 307, 418, 599)]
ANSWERS += [("GET", code, "status", f"/status/{code}", "") for code in (204, 205, 304)]
ANSWERS += [("GET", 302, "redirect-loop", "/redirect-loop?x=7", '{"location": "/redirect-loop?x=7"}')]
ANSWERS += [("GET", 302, "redirect", "/redirect/7", '{"location": "/profiles/7"}')]
ANSWERS += [("GET", 404, "unknown", path, f'"path": "{path}"') for path in NO_PATHS]
ANSWERS += [("GET", 400, "refused-value", path.format(v), repr(v)) for path, vs in BAD_VALUES.items() for v in vs]
ANSWERS += [(method, 405, "refused-method", "/bytes/1", method) for method in ("TRACE", "OPTIONS", "CONNECT", "BREW")]


@pytest.mark.parametrize(("method", "status", "route", "path", "words"), ANSWERS)
def test_method_and_path_decide_status_and_words_and_the_connection_stays(
    lab: Lab, sock: socket.socket, method: str, status: int, route: str, path: str, words: str
) -> None:
    reply = exchange(sock, path, method=method)
    assert (reply.status, bool(reply.body)) == (status, bool(words))
    assert words in reply.body.decode()
    assert reply.headers.get("Location") == (json.loads(words)["location"] if status == 302 else None)
    assert reply.headers.get("Allow") == ("GET, HEAD, POST, PUT, PATCH, DELETE" if status == 405 else None)
    assert exchange(sock, "/bytes/1").status == 200
    assert lab.counts().requests_by_route == {route: 1, "bytes": 1}


ROUTES = ["/bytes/100", "/profiles/3", "/exports/3", "/delay/0.01", "/drip/3/0.01", "/drip-head/3/0.01", "/status/204"]


@pytest.mark.parametrize("path", [*ROUTES, "/idle-close/1/9", "/nope", "/bytes/x", "/endless"])
def test_head_answers_the_same_head_and_no_body(sock: socket.socket, path: str) -> None:
    head = exchange(sock, path, method="HEAD")
    assert head.body == b""
    if path != "/endless":
        get = exchange(sock, path)
        assert (head.status, head.headers) == (get.status, get.headers)
    assert exchange(sock, "/bytes/1").body == b"\0"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ROUTES)
def test_a_request_body_changes_only_the_route(lab: Lab, sock: socket.socket, path: str, method: str) -> None:
    assert exchange(sock, path, method=method, body=b"x" * 300_000) == exchange(sock, path)
    route = path.split("/")[1]
    assert lab.counts().requests_by_route == {route: 1, f"{method} {route}": 1}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("path", ["/bytes/3000000", "/drip/3/0.01", "/delay/0.01", "/profiles/1"])
def test_a_connection_ends_after_its_answer_if_asked(lab: Lab, sock: socket.socket, path: str, version: str) -> None:
    """HTTP/1.0 asks by default. Nothing is logged when the end of the answer had to wait for the client."""
    body = exchange(sock, path).body
    headers = ["Connection: close"] if version == "1.1" else []
    for _ in range(10):
        with lab.connect() as other:
            other.sendall(request(path, *headers, version=version))
            received = read_to_end(other)
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert received.endswith(b"\r\nConnection: close\r\n\r\n" + body)


RANGES = [("bytes=0-0", 206, "0-0"), ("bytes=3-", 206, "3-9"), ("BYTES=3-99", 206, "3-9"), ("bytes=-4", 206, "6-9")]
RANGES += [("bytes=-99", 206, "0-9"), ("bytes=10-", 416, "*"), ("bytes=-0", 416, "*")]
RANGES += [(ask, 200, "") for ask in ("bytes=5-3", "bytes=0-1,4-5", "bytes=-", "lines=0-1", "bytes=0-" + "9" * 99)]


@pytest.mark.parametrize(("asked", "status", "part"), RANGES)
def test_one_range_of_bytes_is_served(sock: socket.socket, asked: str, status: int, part: str) -> None:
    reply = exchange(sock, "/bytes/10", f"Range: {asked}")
    assert (reply.status, reply.headers.get("Content-Range", "")) == (status, part and f"bytes {part}/10")
    first, _, last = (part or "0-9").partition("-")
    assert status == 416 or reply.body == bytes(int(last) - int(first) + 1)
    assert exchange(sock, "/bytes/10", "Range: bytes=1-2", method="PUT").body == bytes(10)


def test_a_flaky_page_fails_once_for_each_number(lab: Lab, sock: socket.socket) -> None:
    replies = [exchange(sock, f"/flaky/{n}", method=method) for n in (1, 2) for method in ("PUT", "GET", "GET")]
    assert [reply.status for reply in replies] == [503, 200, 200] * 2
    assert lab.counts().requests_by_route == {"PUT flaky": 2, "flaky": 4}


@pytest.mark.parametrize("path", ["/events/0/1", "/events/9000/0", "/events/3/0.01", "/drip/3/0.01", "/profiles/1"])
def test_the_lab_knows_what_a_half_must_have_received(lab: Lab, path: str) -> None:
    reply = requests.get(lab.url(path), timeout=PATIENCE_S)
    assert reply.content == HttpEndpoint(lab.port).late_body(path)
    assert (reply.headers["Content-Type"] == "text/event-stream") is path.startswith("/events")


@pytest.mark.parametrize("size", [1, 2, 2_000_001])
def test_a_body_is_cut_in_the_middle_by_a_close_or_a_reset(lab: Lab, sock: socket.socket, size: int) -> None:
    sock.sendall(request(f"/truncated/{size}"))
    head, _, body = read_to_end(sock).partition(b"\r\n\r\n")
    assert head.endswith(b"Content-Length: %d" % size)
    assert body == bytes(size // 2) == HttpEndpoint(lab.port).late_body(f"/truncated/{size}")
    with pytest.raises(requests.RequestException, match="reset by peer"):
        requests.get(lab.url(f"/reset/{size}"), timeout=PATIENCE_S)


def test_only_an_idle_connection_is_closed_after_its_time(lab: Lab, sock: socket.socket) -> None:
    """The client's socket is then in the state CLOSE_WAIT."""
    assert exchange(sock, "/idle-close/1/0.1").body == profile(1)
    lab.until(lambda counts: counts.connections_open == 0)
    states = [own.status for own in psutil.Process().net_connections("tcp") if own.laddr == sock.getsockname()]
    assert (states, sock.recv(1)) == ([psutil.CONN_CLOSE_WAIT], b"")

    def is_kept_if_used() -> bool:
        with lab.connect() as used:
            exchange(used, "/idle-close/1/0.1")
            used.sendall(request("/delay/0.2", "Connection: close"))
            return b"waited" in read_to_end(used)

    assert any(is_kept_if_used() for _ in range(99)), "a busy machine may be late now and then"


@pytest.mark.parametrize("path", ["/close/1", "/idle-close/1/0.01", "/reset/1", "/reset/3000000", "/truncated/3000000"])
def test_a_connection_that_the_service_ends_is_spent_unless_its_client_ended_it(lab: Lab, path: str) -> None:
    for headers, spent in [((), 1), (("Connection: close",), 1), ((), 2)]:
        with lab.connect() as sock:
            sock.sendall(request(path, *headers))
            assert read_to_end(sock).startswith(b"HTTP/1.1 200 OK")
            assert lab.until(lambda counts: counts.connections_open == 0).connections_spent == spent


SLOW = ["/silent", "/delay/9", "/drip/9/9", "/drip-head/9/9", "/endless", "/events/endless/9", "/events/9/9"]
LEFT = [(request(path), 1) for path in SLOW] + [(request(path, "Connection: close"), 0) for path in SLOW]
LEFT += [(request(path), 0) for path in ("/profiles/1", "/bytes/9000000", "/drip/9/0", "/idle-close/1/9")]
LEFT += [(request("/truncated/9", method="HEAD"), 0), (request("/silent", version="1.0"), 0)]
LEFT += [(request("/profiles/1") + b"garbage\r\n\r\n", 0), (request("/silent") * 2, 1)]
LEFT += [(request("/silent", "Connection: upgrade", "Upgrade: h2c"), 1)]


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize(("sent", "spent"), LEFT)
def test_a_connection_is_spent_if_its_client_leaves_during_a_slow_answer(
    lab: Lab, sent: bytes, spent: int, leave: str
) -> None:
    with lab.connect() as sock:
        sock.sendall(sent)
        lab.until(lambda counts: counts.requests_served == 1)
        LEAVE[leave](sock)
        assert lab.until(lambda counts: counts.connections_open == 0).connections_spent == spent
    assert lab.counts().connections_spent == spent


@pytest.mark.parametrize("leave", [None, *LEAVE])
@pytest.mark.parametrize("more", [0, 1])
def test_waiting_is_clocked_until_the_last_client_has_its_answer_or_leaves(
    lab: Lab, sock: socket.socket, leave: str | None, more: int
) -> None:
    """Waits that overlap count once, and a wait that lasts is counted up to now."""
    begin = time.monotonic()
    with lab.connect() as other:
        other.sendall(request("/events/3/0.05"))
        sock.sendall(request("/silent") * (1 + more) if leave else request("/silent/0.3"))
        lab.until(lambda counts: counts.waited_s > 0.2)
        if leave:
            LEAVE[leave](sock)
        ended = lab.until(lambda counts: counts.answers_due == 0).waited_s
        assert (0.2 if leave else 0.29) <= ended <= time.monotonic() - begin
        time.sleep(0.02)
        assert lab.counts().waited_s == ended


def test_a_client_that_leaves_bytes_unread_does_not_wait(lab: Lab, sock: socket.socket) -> None:
    def stands(counts: HttpCounts) -> bool:
        time.sleep(0.02)
        return 0 < counts.waited_s == lab.counts().waited_s

    sock.sendall(request("/endless"))
    stood = lab.until(stands)
    assert (stood.answers_due, stood.connections_spent) == (1, 0)
    while lab.counts().waited_s == stood.waited_s:
        assert sock.recv(1 << 16)


def test_the_runner_hears_of_spent_connections_and_of_waiting(lab: Lab) -> None:
    hosted = HostedHttp(lab.service, lab.port)
    counts = asyncio.run_coroutine_threadsafe(hosted.counts(), lab.loop).result(PATIENCE_S)
    assert (counts.counters, counts.waited_s) == ({"connections": 0, "requests": 0, "spent": 0}, 0.0)


ENDLESS = [("1.0", "/endless", bytes(10_000)), ("1.1", "/endless", b"1000\r\n\0")]
ENDLESS += [("1.0", "/events/endless/0.0001", b"data: 0\n\ndata: 1\n\n")]


@pytest.mark.parametrize(("version", "path", "first"), ENDLESS)
def test_an_endless_body_is_chunked_for_those_who_know_chunks(
    sock: socket.socket, version: str, path: str, first: bytes
) -> None:
    sock.sendall(request(path, version=version))
    received = b""
    while len(received) < 20_000:
        received += sock.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    assert (b"Transfer-Encoding: chunked" in head) is (version == "1.1")
    assert body.startswith(first)


def test_expect_100_continue_is_answered_before_the_body_is_sent(sock: socket.socket) -> None:
    sock.sendall(request("/bytes/2", "Content-Length: 3", "Expect: 100-continue", method="PUT"))
    assert sock.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b"abc")
    assert sock.recv(1 << 16).endswith(b"\r\n\r\n\0\0")


def test_pipelined_requests_are_answered_in_order(lab: Lab, sock: socket.socket) -> None:
    """Also those that follow a slow one, and more of them than are read at a time."""
    paths = ["/profiles/1", "/delay/0.05", "/profiles/2", "/drip/3/0.01", "/bytes/200000", "/profiles/3"]
    sock.sendall(b"".join(map(request, paths + ["/bytes/1"] * 4000)) + request("/status/418", "Connection: close"))
    received = read_to_end(sock)
    marks = [b'"id": 1', b'"waited"', b'"id": 2', b"\0\0\0HTTP", b"Length: 200000", b'"id": 3', b"418"]
    places = [received.index(mark) for mark in marks]
    assert places == sorted(places)
    assert lab.counts().requests_served == received.count(b"HTTP/1.1 ") == 4007


def test_one_kept_connection_is_counted_once_and_each_request_is_counted(lab: Lab) -> None:
    """Each reply comes in one packet: two would cost 40 ms without TCP_NODELAY, as acknowledgements are delayed."""
    before = lab.counts()
    with lab.connect() as sock:
        for n in range(50):
            sock.sendall(request(f"/profiles/{n}"))
            assert sock.recv(1 << 16).endswith(profile(n))
        assert lab.counts() == HttpCounts(1, 1, 1, 50, {"profiles": 50})
    assert lab.counts() == HttpCounts(1, 0, 1, 50, {"profiles": 50})
    assert before == HttpCounts(0, 0, 0, 0, {}), "counts do not change after they were read"


def test_unread_bodies_hold_a_connection_each_and_the_peak_stays_when_they_go(lab: Lab) -> None:
    """The leak of the first scenario: 50 requests, 50 connections; once closed, none."""
    with requests.Session() as session:
        kept = [session.get(lab.url("/bytes/100000"), stream=True, timeout=PATIENCE_S) for _ in range(50)]
        assert lab.counts() == HttpCounts(50, 50, 50, 50, {"bytes": 50})
        for reply in kept:
            reply.close()
        assert lab.counts() == HttpCounts(50, 0, 50, 50, {"bytes": 50})
        session.get(lab.url("/bytes/1"), timeout=PATIENCE_S)
        assert lab.counts() == HttpCounts(51, 1, 50, 51, {"bytes": 51})


@pytest.mark.parametrize("path", [None, "/bytes/10", "/bytes/300000", "/bytes/3000", "/endless", "/drip/100/1"])
def test_closing_one_connection_before_opening_the_next_never_makes_two(lab: Lab, path: str | None) -> None:
    """A close with unread data sends RST, any other FIN; without a request, either may even precede the accept."""
    for _ in range(500):
        with lab.connect() as sock:
            if path is not None:
                sock.sendall(request(path))
                assert sock.recv(1000)
    counts = lab.until(lambda counts: counts.connections_accepted == 500)
    assert (counts.connections_open, counts.connections_peak) == (0, 1)
    assert counts.requests_served == (0 if path is None else 500)


@pytest.mark.parametrize("paths", [[], ["/profiles/1"], ["/profiles/1", "/bytes/500000"]])
def test_a_client_that_has_finished_gets_its_answers(lab: Lab, sock: socket.socket, paths: list[str]) -> None:
    """Then the service closes its side, too."""
    exchange(sock, "/bytes/1")
    sock.sendall(b"".join(map(request, paths)))
    sock.shutdown(socket.SHUT_WR)
    assert read_to_end(sock).count(b"HTTP/1.1 200 ") == len(paths)
    assert lab.counts().connections_open == 0


@pytest.mark.parametrize("more", [b"", request("/bytes/1")])
@pytest.mark.parametrize("path", ["/silent", "/delay/3600", "/drip/9/3600", "/drip-head/9/3600"])
def test_a_client_that_leaves_during_a_slow_answer_is_noticed_at_once(lab: Lab, path: str, more: bytes) -> None:
    """Also when its next request already waits behind that answer, and reading therefore pauses."""
    with lab.connect() as sock:
        sock.sendall(request(path))
        lab.until(lambda counts: counts.requests_served == 1)
        sock.sendall(more)
        assert lab.counts().connections_open == 1
    lab.until(lambda counts: counts.connections_open == 0 and lab.states() == {psutil.CONN_LISTEN})


def test_two_thousand_connections_are_open_and_served_at_once(lab: Lab) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        socks = [stack.enter_context(lab.connect()) for _ in range(2000)]
        for n, sock in enumerate(socks):
            sock.sendall(request(f"/profiles/{n}"))
        for n, sock in enumerate(socks):
            assert sock.recv(1 << 16).endswith(profile(n))
        assert lab.counts() == HttpCounts(2000, 2000, 2000, 2000, {"profiles": 2000})
    assert lab.counts() == HttpCounts(2000, 0, 2000, 2000, {"profiles": 2000})


CHUNKED = request("/bytes/1", "Transfer-Encoding: chunked", method="POST")
GARBAGE = [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
    (request("/bytes/1", "Content-Length: many"), 400),
    (CHUNKED + b"zz\r\n", 400),
    (request("/bytes/1", "Transfer-Encoding: gzip"), 501),
    (b"GET /" + b"x" * 200_000, 431),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * 3_000_000, 431),
]
TRUNCATED = [b"GET", request("/bytes/1")[:-6], request("/", "Content-Length: 10", method="POST"), CHUNKED + b"5\r\nab"]
BAD = [(data, status, False) for data, status in GARBAGE] + [(part, 400, True) for part in TRUNCATED]


@pytest.mark.parametrize(("data", "status", "finish"), BAD)
def test_what_is_not_http_is_refused_and_closed(lab: Lab, data: bytes, status: int, finish: bool) -> None:
    """The refusal arrives although the client was still sending: closing at once would reset it away."""
    with patch("leaklab.services.http._LINGER_S", PATIENCE_S), lab.connect() as healthy, lab.connect() as sock:
        assert exchange(healthy, "/profiles/1").body == profile(1)
        sock.sendall(data)
        if finish:
            sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).startswith(f"HTTP/1.1 {status} ".encode())
        assert exchange(healthy, "/profiles/2").body == profile(2)
    lab.until(lambda counts: counts.connections_open == 0)


def test_a_request_that_comes_byte_by_byte_is_served(sock: socket.socket) -> None:
    for byte in CHUNKED + b"5\r\nabcde\r\n2\r\nfg\r\n0\r\n\r\n":
        sock.sendall(bytes([byte]))
    assert sock.recv(1 << 16).endswith(b"\r\n\r\n\0")
    assert exchange(sock, "/bytes/2").body == bytes(2)


def test_an_endless_upload_is_never_kept(lab: Lab, sock: socket.socket) -> None:
    """64 MiB of a body that has no end pass through; what stays in memory is a small part of them."""
    sock.sendall(CHUNKED)
    with little_memory():
        for _ in range(1024):
            sock.sendall(b"10000\r\n" + bytes(65_536) + b"\r\n")
        lab.assert_healthy()


def test_bodies_that_are_not_read_cost_little_memory_and_delay_no_other_client(lab: Lab) -> None:
    with ExitStack() as stack:
        with little_memory():
            for path in ["/bytes/1099511627776", "/endless"] * 20:
                sock = stack.enter_context(lab.connect())
                sock.sendall(request(path))
                assert sock.recv(100)
            lab.assert_healthy()
        assert lab.counts().connections_open == 40
    assert lab.counts().connections_open == 0


@pytest.mark.parametrize("path", ["/profiles/1", "/silent"])
def test_a_flood_of_pipelined_requests_is_held_back(lab: Lab, sock: socket.socket, path: str) -> None:
    """A client that sends and never reads comes to a stop itself; the service keeps little of it."""
    flood = request(path) * 1_000_000
    sock.settimeout(1)
    with little_memory():
        with pytest.raises(TimeoutError):
            sock.sendall(flood)
        lab.assert_healthy()


def test_clients_that_leave_at_any_moment_harm_no_other(lab: Lab) -> None:
    whole = request("/drip/50/0.001", "Content-Length: 20", method="POST") + bytes(20) + request("/endless")
    for length in range(0, len(whole) + 1, 3):
        for leave in (socket.socket.close, reset):
            with lab.connect() as sock:
                sock.sendall(whole[:length])
                leave(sock)
    lab.assert_healthy()
    counts = lab.until(lambda counts: counts.connections_open == 0)
    assert counts.connections_peak == 1


def test_running_out_of_descriptors_delays_clients_and_nothing_else(lab: Lab) -> None:
    """Those who cannot be accepted wait in the listen queue, silently, until there are descriptors again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(socket.socket()) as sock:
        sock.settimeout(PATIENCE_S)
        resource.setrlimit(resource.RLIMIT_NOFILE, (sock.fileno() + 1, hard))
        try:
            sock.connect(("127.0.0.1", lab.port))
            sock.sendall(request("/profiles/1"))
            assert lab.counts().connections_accepted == 0
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert sock.recv(1 << 16).endswith(profile(1))


WORDS = "GET |HEAD |/bytes/5|/bytes/-5|/silent|/delay/0| HTTP/1.1;|;|Host: a;|Content-Length: 5;|5;|0;;|Upgrade: x;"
WORDS += "|Transfer-Encoding: chunked;|Expect: 100-continue;|Connection: close;"
PIECES = [request("/bytes/3"), *(word.replace(";", "\r\n").encode() for word in WORDS.split("|"))]


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(PIECES)), max_size=12))
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
def test_no_sequence_of_bytes_harms_the_service(pieces: list[bytes]) -> None:
    with serving() as lab:
        with lab.connect() as sock:
            with suppress(OSError):
                for piece in pieces:
                    sock.sendall(piece)
                sock.shutdown(socket.SHUT_WR)
            received = read_to_end(sock)
        assert received == b"" or received.startswith(b"HTTP/1.1 ")
        lab.assert_healthy()
        lab.until(lambda counts: counts.connections_open == 0)
