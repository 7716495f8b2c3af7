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
from typing import cast

import h11
import psutil
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from leaklab.services.http import HttpCounts, HttpService
from leaklab.services.http_routes import profile

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
    loop = asyncio.new_event_loop()
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
        left = asyncio.all_tasks(loop)
        loop.close()
    assert left == set()


@pytest.fixture
def lab(capfd: pytest.CaptureFixture[str]) -> Iterator[Lab]:
    with serving() as lab:
        yield lab
    assert capfd.readouterr().err == "", "the service prints nothing, whatever its clients do"


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def request(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: lab", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    informational: tuple[int, ...]

    @property
    def document(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.body))


def exchange(sock: socket.socket, path: str, *, method: str = "GET", body: bytes = b"") -> Reply:
    """Send one request on a connection and read one reply; fails if a byte follows the reply."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    headers = [("Host", "lab"), ("Content-Length", str(len(body)))]
    sent = client.send(h11.Request(method=method, target=path, headers=headers))
    if body:
        sent += client.send(h11.Data(data=body))
    sock.sendall(sent + client.send(h11.EndOfMessage()))
    return read_reply(sock, client)


def read_reply(sock: socket.socket, client: h11.Connection) -> Reply:
    informational: list[int] = []
    response: h11.Response | None = None
    body = bytearray()
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(sock.recv(1 << 16))
        elif isinstance(event, h11.InformationalResponse):
            informational.append(event.status_code)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            raise AssertionError(event)
    assert response is not None
    assert client.trailing_data[0] == b"", "nothing follows a reply"
    named = {name.decode(): value.decode() for name, value in response.headers}
    return Reply(response.status_code, named, bytes(body), tuple(informational))


def read_to_end(sock: socket.socket) -> bytes:
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := sock.recv(1 << 16):
            received += data
    return bytes(received)


def send_all_or_be_closed(sock: socket.socket, data: bytes) -> None:
    with suppress(ConnectionResetError, BrokenPipeError):
        sock.sendall(data)


# Starting and stopping.


def test_it_listens_on_loopback_only(lab: Lab) -> None:
    listening = [sock for sock in psutil.Process().net_connections("tcp") if sock.laddr.port == lab.port]
    assert {(sock.laddr.ip, sock.status) for sock in listening} == {("127.0.0.1", psutil.CONN_LISTEN)}


def test_a_service_is_started_once(lab: Lab) -> None:
    with pytest.raises(RuntimeError, match="started before"):
        asyncio.run_coroutine_threadsafe(lab.service.start(), lab.loop).result(PATIENCE_S)


def test_stop_ends_listener_connections_and_pending_replies(lab: Lab) -> None:
    """Idle, waiting, dripping and unread connections all end, and stop may be repeated."""
    paths = [
        "/silent",
        "/delay/3600",
        "/drip/100/3600",
        "/drip-head/100/3600",
        "/endless",
        "/bytes/1000000000",
    ]
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
        assert lab.counts().connections_open == 0
        lab.stop()


def test_stop_before_start_does_nothing() -> None:
    asyncio.run(HttpService().stop())


# Routes.


@pytest.mark.parametrize("size", [0, 1, 2048, 65_536, 65_537, 3_000_000])
def test_bytes_has_exactly_the_size_asked_for(lab: Lab, size: int) -> None:
    with lab.connect() as sock:
        reply = exchange(sock, f"/bytes/{size}")
    assert reply.status == 200
    assert len(reply.body) == size
    assert reply.headers["content-length"] == str(size)
    assert reply.headers["content-type"] == "application/octet-stream"


def test_a_query_string_only_labels_a_request(lab: Lab) -> None:
    assert len(requests.get(lab.url("/bytes/7?profile=7&x=/y"), timeout=PATIENCE_S).content) == 7
    assert lab.counts().requests_by_route == {"bytes": 1}


def test_profiles_answers_what_profile_builds(lab: Lab) -> None:
    with requests.Session() as session:
        for n in (0, 1, 7, 49, 10**9):
            reply = session.get(lab.url(f"/profiles/{n}"), timeout=PATIENCE_S)
            assert reply.content == profile(n)
            assert reply.json()["id"] == n


def test_profiles_are_about_two_kilobytes_and_all_different() -> None:
    profiles = [profile(n) for n in range(401)]
    assert len({document[:16] for document in profiles}) == 401
    assert all(1_848 <= len(document) < 2_249 for document in profiles)
    assert all(json.loads(document)["id"] == n for n, document in enumerate(profiles))
    assert profile(12) == profiles[12]


def test_whoever_does_not_know_the_secret_knows_neither_a_profiles_length_nor_its_beginning() -> None:
    one, other = ([profile(n, secret) for n in range(50)] for secret in ("one", "other"))
    assert all(mine[:16] != theirs[:16] for mine, theirs in zip(one, other, strict=True))
    assert [len(document) for document in one] != [len(document) for document in other]


def test_a_head_request_is_another_one_than_a_get(lab: Lab) -> None:
    requests.head(lab.url("/profiles/1"), timeout=PATIENCE_S)
    requests.post(lab.url("/profiles/1"), timeout=PATIENCE_S)
    assert lab.counts().requests_by_route == {"HEAD profiles": 1, "POST profiles": 1}


def test_endless_goes_on_until_the_client_leaves(lab: Lab) -> None:
    with requests.get(lab.url("/endless"), stream=True, timeout=PATIENCE_S) as reply:
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert len(reply.raw.read(50_000)) == 50_000
        assert lab.counts().connections_open == 1
    lab.until(lambda counts: counts.connections_open == 0)


@pytest.mark.parametrize("route", ["delay", "silent"])
def test_a_late_reply_comes_after_its_time_and_leaves_the_connection_usable(lab: Lab, route: str) -> None:
    with lab.connect() as sock:
        begin = time.monotonic()
        reply = exchange(sock, f"/{route}/0.2")
        assert time.monotonic() - begin >= 0.19
        assert (reply.status, reply.document) == (200, {"waited": 0.2})
        assert exchange(sock, f"/{route}/0").document == {"waited": 0.0}
    assert lab.counts().requests_by_route == {route: 2}


def test_silent_never_answers(lab: Lab) -> None:
    with pytest.raises(requests.ReadTimeout):
        requests.get(lab.url("/silent"), timeout=(PATIENCE_S, 0.2))
    assert lab.until(lambda counts: counts.connections_open == 0).requests_by_route == {"silent": 1}


def test_an_answer_is_due_while_it_takes_its_time_and_its_client_is_there(lab: Lab) -> None:
    with lab.connect() as gone, lab.connect() as there:
        for sock in (gone, there):
            sock.sendall(request("/silent"))
        lab.until(lambda counts: counts.answers_due == 2)
        gone.shutdown(socket.SHUT_RDWR)
        lab.until(lambda counts: counts.answers_due == 1)
        with lab.connect() as idle:
            exchange(idle, "/profiles/1")
            assert lab.counts().answers_due == 1
    lab.until(lambda counts: counts.answers_due == 0)


def test_drip_sends_its_head_at_once_and_then_one_byte_after_the_other(lab: Lab) -> None:
    """A read timeout shorter than the whole is never reached: that is the trap this route is for."""
    begin = time.monotonic()
    with requests.get(lab.url("/drip/5/0.1"), stream=True, timeout=PATIENCE_S) as reply:
        assert reply.headers["Content-Length"] == "5"
        assert lab.counts().requests_by_route == {"drip": 1}
        pieces = list(iter(lambda: reply.raw.read1(100), b""))
    assert time.monotonic() - begin >= 0.49
    assert sum(map(len, pieces)) == 5
    assert len(pieces) > 1


def test_drip_head_completes_its_head_only_at_the_end(lab: Lab) -> None:
    with lab.connect() as sock:
        begin = time.monotonic()
        sock.sendall(request("/drip-head/5/0.1"))
        first = sock.recv(1 << 16)
        assert b"\r\n\r\n" not in first
        client = h11.Connection(h11.CLIENT)
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "lab")]))
        client.send(h11.EndOfMessage())
        client.receive_data(first)
        reply = read_reply(sock, client)
        assert time.monotonic() - begin >= 0.49
        assert reply.document == {"drips": 5}


@pytest.mark.parametrize("path", ["/drip/0/1", "/drip/3/0", "/drip/200000/0", "/drip/500/0.0001", "/drip/3/1e-300"])
def test_drips_of_any_pace_add_up(lab: Lab, path: str) -> None:
    with lab.connect() as sock:
        assert len(exchange(sock, path).body) == int(path.split("/")[2])
        assert exchange(sock, "/bytes/1").body == b"\0"


@pytest.mark.parametrize("count", [0, 1, 1000, 32_768])
def test_dripped_heads_of_any_length_arrive_whole(lab: Lab, count: int) -> None:
    with lab.connect() as sock:
        assert exchange(sock, f"/drip-head/{count}/0").document == {"drips": count}
        assert exchange(sock, "/bytes/1").body == b"\0"


def test_redirect_loop_runs_until_the_client_gives_up(lab: Lab) -> None:
    """requests follows 30 redirects, and its exception carries the last response."""
    with requests.Session() as session:
        with pytest.raises(requests.TooManyRedirects) as caught:
            session.get(lab.url("/redirect-loop?profile=7"), timeout=PATIENCE_S)
        assert caught.value.response is not None
        assert caught.value.response.status_code == 302
        assert caught.value.response.headers["Location"] == "/redirect-loop?profile=7"
    counts = lab.counts()
    assert counts.requests_by_route == {"redirect-loop": 31}
    assert counts.connections_accepted == 1


@pytest.mark.parametrize("code", [200, 201, 204, 205, 299, 304, 307, 400, 404, 418, 500, 503, 599])
def test_status_answers_that_status_and_keeps_the_connection(lab: Lab, code: int) -> None:
    with lab.connect() as sock:
        reply = exchange(sock, f"/status/{code}")
        assert reply.status == code
        assert reply.body == (b"" if code in {204, 205, 304} else json.dumps({"status": code}).encode())
        assert exchange(sock, "/bytes/1").status == 200
    assert lab.counts().requests_by_route == {"status": 1, "bytes": 1}


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/bytes", "/bytes/1/2", "/bytes/1/", "//bytes/1", "/silent/1/2", "/%20"]
)
def test_an_unknown_path_is_answered_404_naming_it(lab: Lab, path: str) -> None:
    with lab.connect() as sock:
        reply = exchange(sock, path)
    assert (reply.status, reply.document["path"]) == (404, path)
    assert lab.counts().requests_by_route == {"unknown": 1}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/bytes/-1", "-1"),
        ("/bytes/many", "many"),
        ("/bytes/1.5", "1.5"),
        ("/bytes/", ""),
        (f"/bytes/{2**40 + 1}", str(2**40 + 1)),
        ("/bytes/" + "9" * 5000, "9" * 5000),
        ("/profiles/x", "x"),
        ("/delay/nan", "nan"),
        ("/delay/inf", "inf"),
        ("/delay/-0.1", "-0.1"),
        ("/delay/3600.1", "3600.1"),
        ("/delay/1_0", "1_0"),
        ("/silent/soon", "soon"),
        ("/drip/-5/1", "-5"),
        ("/drip/5/nan", "nan"),
        ("/drip-head/32769/1", "32769"),
        ("/drip-head/5/1e9", "1e9"),
        ("/status/199", "199"),
        ("/status/600", "600"),
        ("/status/ok", "ok"),
    ],
)
def test_a_bad_value_is_answered_400_naming_it(lab: Lab, path: str, value: str) -> None:
    with lab.connect() as sock:
        reply = exchange(sock, path)
    assert reply.status == 400
    assert repr(value) in str(reply.document["error"])
    assert lab.counts().requests_by_route == {"refused-value": 1}


# Methods and framing.

ROUTES = [
    "/bytes/100",
    "/profiles/3",
    "/delay/0.01",
    "/silent/0.01",
    "/drip/3/0.01",
    "/drip-head/3/0.01",
    "/redirect-loop",
    "/status/404",
    "/status/204",
    "/nope",
    "/bytes/x",
]


@pytest.mark.parametrize("path", [*ROUTES, "/endless"])
def test_head_answers_the_same_head_and_no_body(lab: Lab, path: str) -> None:
    with lab.connect() as sock:
        head = exchange(sock, path, method="HEAD")
        assert head.body == b""
        if path != "/endless":
            get = exchange(sock, path)
            assert (head.status, head.headers) == (get.status, get.headers)
        assert exchange(sock, "/bytes/1").body == b"\0"
    assert lab.counts().connections_accepted == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ROUTES)
def test_a_request_body_is_read_dropped_and_answered_as_get(lab: Lab, path: str, method: str) -> None:
    with lab.connect() as sock:
        get = exchange(sock, path)
        assert exchange(sock, path, method=method, body=b"x" * 300_000) == get
        assert exchange(sock, path) == get
    assert lab.counts().requests_served == 3


def test_a_chunked_request_body_is_read_whatever_its_chunks(lab: Lab) -> None:
    with requests.Session() as session:
        for _ in range(3):
            body = (b"ab" for _ in range(500))
            assert session.post(lab.url("/bytes/9"), data=body, timeout=PATIENCE_S).content == bytes(9)
    assert lab.counts().connections_accepted == 1


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PATCH", "BREW"])
def test_other_methods_are_answered_405_with_those_allowed(lab: Lab, method: str) -> None:
    reply = requests.request(method, lab.url("/bytes/1"), timeout=PATIENCE_S)
    assert reply.status_code == 405
    assert reply.headers["Allow"] == "GET, HEAD, POST, PUT"
    assert method in reply.json()["error"]
    assert lab.counts().requests_by_route == {"refused-method": 1}


def test_connect_is_refused_and_the_connection_goes_on_with_http(lab: Lab) -> None:
    with lab.connect() as sock:
        sock.sendall(request("lab:80", method="CONNECT") + request("/bytes/1", "Connection: close"))
        received = read_to_end(sock)
    assert received.startswith(b"HTTP/1.1 405 ")
    assert received.count(b"HTTP/1.1 200 ") == 1


def test_a_target_in_absolute_form_is_served(lab: Lab) -> None:
    with lab.connect() as sock:
        assert exchange(sock, f"http://127.0.0.1:{lab.port}/bytes/3?x=1").body == bytes(3)


def test_connection_close_is_honoured(lab: Lab) -> None:
    with lab.connect() as sock:
        sock.sendall(request("/bytes/3", "Connection: close"))
        received = read_to_end(sock)
    assert received.endswith(b"\r\n\r\n\0\0\0")
    assert b"Connection: close" in received


@pytest.mark.parametrize("path", ["/bytes/3", "/drip/3/0.01", "/delay/0.01"])
def test_an_http_1_0_client_gets_its_answer_and_the_end(lab: Lab, path: str) -> None:
    with lab.connect() as sock:
        sock.sendall(request(path, version="1.0"))
        received = read_to_end(sock)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length" in received


def test_an_endless_body_for_http_1_0_is_not_chunked(lab: Lab) -> None:
    with lab.connect() as sock:
        sock.sendall(request("/endless", version="1.0"))
        received = b""
        while len(received) < 20_000:
            received += sock.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == bytes(len(body))


def test_expect_100_continue_is_answered_before_the_body_is_sent(lab: Lab) -> None:
    with lab.connect() as sock:
        client = h11.Connection(h11.CLIENT)
        headers = [("Host", "lab"), ("Content-Length", "3"), ("Expect", "100-continue")]
        sock.sendall(client.send(h11.Request(method="PUT", target="/bytes/2", headers=headers)))
        client.receive_data(sock.recv(1 << 16))
        go_on = client.next_event()
        assert isinstance(go_on, h11.InformationalResponse)
        assert go_on.status_code == 100
        sock.sendall(client.send(h11.Data(data=b"abc")) + client.send(h11.EndOfMessage()))
        assert read_reply(sock, client).body == bytes(2)


def test_pipelined_requests_are_answered_in_order(lab: Lab) -> None:
    """Also those that follow a slow one, and that came with the first packet."""
    paths = ["/profiles/1", "/delay/0.05", "/profiles/2", "/drip/3/0.01", "/bytes/200000", "/profiles/3"]
    with lab.connect() as sock:
        sock.sendall(b"".join(map(request, paths)) + request("/status/418", "Connection: close"))
        received = read_to_end(sock)
    marks = [b'"id": 1', b'"waited"', b'"id": 2', b"\0\0\0HTTP", b"Length: 200000", b'"id": 3', b"418"]
    places = [received.index(mark) for mark in marks]
    assert places == sorted(places)
    assert lab.counts().requests_served == 7


def test_a_small_reply_comes_in_one_packet(lab: Lab) -> None:
    """Two packets would cost 40 ms each time a client without TCP_NODELAY delays its acknowledgement."""
    with lab.connect() as sock:
        for n in range(20):
            sock.sendall(request(f"/profiles/{n}"))
            assert sock.recv(1 << 16).endswith(profile(n))


# Counts.


def test_one_kept_connection_is_counted_once_and_each_request_is_counted(lab: Lab) -> None:
    with requests.Session() as session:
        for _ in range(50):
            assert len(session.get(lab.url("/bytes/2048"), timeout=PATIENCE_S).content) == 2048
        assert lab.counts() == HttpCounts(1, 1, 1, 50, {"bytes": 50})
    assert lab.counts() == HttpCounts(1, 0, 1, 50, {"bytes": 50})


def test_unread_bodies_hold_a_connection_each(lab: Lab) -> None:
    """The leak of the first scenario: 50 requests, 50 connections; once closed, none."""
    with requests.Session() as session:
        kept = [session.get(lab.url("/bytes/100000"), stream=True, timeout=PATIENCE_S) for _ in range(50)]
        assert lab.counts() == HttpCounts(50, 50, 50, 50, {"bytes": 50})
        for reply in kept:
            reply.close()
        assert lab.counts() == HttpCounts(50, 0, 50, 50, {"bytes": 50})


def test_counts_do_not_change_after_they_were_read(lab: Lab) -> None:
    before = lab.counts()
    requests.get(lab.url("/bytes/1"), timeout=PATIENCE_S)
    assert before.requests_by_route == {}
    assert lab.counts().requests_by_route == {"bytes": 1}


@pytest.mark.parametrize("path", ["/bytes/300000", "/bytes/3000", "/endless", "/drip/100/1"])
def test_closing_with_unread_data_before_opening_the_next_never_makes_two(lab: Lab, path: str) -> None:
    """A close with unread data sends RST, which must be counted before the next connection is."""
    for _ in range(500):
        with lab.connect() as sock:
            sock.sendall(request(path))
            assert sock.recv(100)
    counts = lab.counts()
    assert (counts.connections_accepted, counts.connections_open, counts.connections_peak) == (500, 0, 1)
    assert counts.requests_served == 500


def test_closing_with_nothing_unread_before_opening_the_next_never_makes_two(lab: Lab) -> None:
    """Such a close sends FIN."""
    for _ in range(500):
        assert requests.get(lab.url("/bytes/10"), timeout=PATIENCE_S).content == bytes(10)
    assert lab.counts() == HttpCounts(500, 0, 1, 500, {"bytes": 500})


@pytest.mark.parametrize("reset", [False, True])
def test_connections_that_end_before_they_are_accepted_never_make_two(lab: Lab, reset: bool) -> None:
    """The service may accept many at a time, of which each was over before the next was opened."""
    for _ in range(500):
        with lab.connect() as sock:
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    counts = lab.until(lambda counts: counts.connections_accepted == 500)
    assert (counts.connections_open, counts.connections_peak) == (0, 1)


def test_the_peak_stays_when_connections_go(lab: Lab) -> None:
    with ExitStack() as stack:
        for _ in range(7):
            exchange(stack.enter_context(lab.connect()), "/bytes/1")
    with lab.connect() as sock:
        exchange(sock, "/bytes/1")
        assert lab.counts() == HttpCounts(8, 1, 7, 8, {"bytes": 8})


def test_an_idle_connection_whose_client_finished_is_closed_by_the_service_too(lab: Lab) -> None:
    with lab.connect() as sock:
        exchange(sock, "/bytes/1")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
        assert lab.counts().connections_open == 0


def test_a_client_that_sent_all_its_requests_and_finished_still_gets_its_answers(lab: Lab) -> None:
    with lab.connect() as sock:
        sock.sendall(request("/profiles/1") + request("/bytes/500000"))
        sock.shutdown(socket.SHUT_WR)
        received = read_to_end(sock)
    assert profile(1) in received
    assert received.endswith(bytes(500_000))


@pytest.mark.parametrize("more", [b"", request("/bytes/1")])
@pytest.mark.parametrize("path", ["/silent", "/delay/3600", "/silent/3600", "/drip/9/3600", "/drip-head/9/3600"])
def test_a_client_that_leaves_during_a_slow_answer_is_noticed_at_once(lab: Lab, path: str, more: bytes) -> None:
    """Also when its next request already waits behind that answer, and reading therefore pauses."""
    with lab.connect() as sock:
        sock.sendall(request(path))
        lab.until(lambda counts: counts.requests_served == 1)
        sock.sendall(more)
        assert lab.counts().connections_open == 1
    lab.until(lambda counts: counts.connections_open == 0)
    lab.assert_healthy()
    assert lab.counts().connections_open == 0


@pytest.mark.usefixtures("many_descriptors")
def test_two_thousand_connections_are_open_and_served_at_once(lab: Lab) -> None:
    with ExitStack() as stack:
        socks = [stack.enter_context(lab.connect()) for _ in range(2000)]
        for n, sock in enumerate(socks):
            sock.sendall(request(f"/profiles/{n}"))
        for n, sock in enumerate(socks):
            assert sock.recv(1 << 16).endswith(profile(n))
        assert lab.counts() == HttpCounts(2000, 2000, 2000, 2000, {"profiles": 2000})
    assert lab.counts() == HttpCounts(2000, 0, 2000, 2000, {"profiles": 2000})


# Clients that misbehave.


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /bytes/1 HTTP/9.9.9\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (request("/bytes/1", "Bad Header: x"), 400),
        (request("/bytes/1", "Content-Length: many"), 400),
        (request("/bytes/1", "Transfer-Encoding: chunked") + b"zz\r\n", 400),
        (request("/bytes/1", "Transfer-Encoding: gzip"), 501),
        (b"GET /" + b"x" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 3_000_000, 431),
    ],
)
def test_what_is_not_http_is_refused_and_closed_and_others_are_served(lab: Lab, garbage: bytes, status: int) -> None:
    """The refusal arrives although the client was still sending: closing at once would reset it away."""
    with lab.connect() as healthy, lab.connect() as sock:
        assert exchange(healthy, "/profiles/1").body == profile(1)
        send_all_or_be_closed(sock, garbage)
        assert read_to_end(sock).startswith(f"HTTP/1.1 {status} ".encode())
        assert exchange(healthy, "/profiles/2").body == profile(2)
    lab.until(lambda counts: counts.connections_open == 0)


@pytest.mark.parametrize(
    "part",
    [
        b"GET",
        b"GET /bytes/1 HTTP/1.1\r\nHost: l",
        request("/bytes/1", "Content-Length: 10", method="POST") + b"123",
        request("/bytes/1", "Transfer-Encoding: chunked", method="POST") + b"5\r\nab",
    ],
)
def test_a_truncated_request_is_refused_and_closed(lab: Lab, part: bytes) -> None:
    with lab.connect() as sock:
        sock.sendall(part)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).startswith(b"HTTP/1.1 400 ")
    lab.assert_healthy()


def test_a_request_that_comes_byte_by_byte_is_served(lab: Lab) -> None:
    with lab.connect() as sock:
        for byte in request("/profiles/5"):
            sock.sendall(bytes([byte]))
        assert sock.recv(1 << 16).endswith(profile(5))


def test_an_endless_upload_is_never_kept(lab: Lab) -> None:
    """64 MiB of a body that has no end pass through; what stays in memory is a small part of them."""
    piece = b"10000\r\n" + bytes(65_536) + b"\r\n"
    with lab.connect() as sock:
        sock.sendall(request("/bytes/1", "Transfer-Encoding: chunked", method="POST"))
        tracemalloc.start()
        try:
            for _ in range(1024):
                sock.sendall(piece)
            lab.assert_healthy()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 << 20
    assert lab.counts().requests_by_route == {"POST bytes": 1, "profiles": 3}


def test_bodies_that_nobody_reads_cost_little_memory_and_no_one_else(lab: Lab) -> None:
    with ExitStack() as stack:
        tracemalloc.start()
        try:
            for path in ["/bytes/1099511627776", "/endless"] * 20:
                sock = stack.enter_context(lab.connect())
                sock.sendall(request(path))
                assert sock.recv(100)
            lab.assert_healthy()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert lab.counts().connections_open == 40
    assert peak < 16 << 20
    assert lab.counts().connections_open == 0


@pytest.mark.parametrize("path", ["/profiles/1", "/silent"])
def test_a_flood_of_pipelined_requests_is_held_back(lab: Lab, path: str) -> None:
    """A client that sends and never reads comes to a stop itself; the service keeps little of it."""
    flood = request(path) * 1_000_000
    with lab.connect() as sock:
        tracemalloc.start()
        try:
            sock.settimeout(1)
            with pytest.raises(TimeoutError):
                sock.sendall(flood)
            lab.assert_healthy()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 << 20


def test_clients_that_leave_at_any_moment_harm_no_one(lab: Lab) -> None:
    whole = request("/drip/50/0.001", "Content-Length: 20", method="POST") + bytes(20) + request("/endless")
    for length in range(0, len(whole) + 1, 3):
        for reset in (False, True):
            with lab.connect() as sock:
                sock.sendall(whole[:length])
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.sampled_from(
                [
                    b"GET ",
                    b"/bytes/5",
                    b"/bytes/-5",
                    b"/silent",
                    b"/delay/0.001",
                    b" HTTP/1.1\r\n",
                    b"\r\n",
                    b"Host: a\r\n",
                    b"Content-Length: 5\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Expect: 100-continue\r\n",
                    b"Upgrade: x\r\n",
                    b"Connection: close\r\n",
                    b"5\r\n",
                    b"0\r\n\r\n",
                    request("/bytes/3"),
                    request("/nope", method="HEAD"),
                ]
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, derandomize=True, deadline=None, database=None)
def test_no_bytes_whatever_harm_the_service(pieces: list[bytes]) -> None:
    with serving() as lab:
        with lab.connect() as sock:
            for piece in pieces:
                send_all_or_be_closed(sock, piece)
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
            received = read_to_end(sock)
        assert received == b"" or received.startswith(b"HTTP/1.1 ")
        lab.assert_healthy()
        lab.until(lambda counts: counts.connections_open == 0)
