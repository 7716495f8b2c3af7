"""The services answer the run that started them: what others ask or connect is refused, and changes no count."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from leaklab.services.client import HalfServices, Services
from leaklab.services.kinds import ServiceCounts, ServiceNeeds
from leaklab.system.interrupts import Owner


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Owner() as owner:
        yield owner.enter_context(Services())


@pytest.fixture
def http_of(services: Services) -> Iterator[HalfServices]:
    its = services.start(("http",), ServiceNeeds())
    yield its
    services.stop(its)


def counts(services: Services, its: HalfServices) -> ServiceCounts:
    services.ask_counts(its)
    return services.hear_counts(its)


def ask(port: int, request: bytes) -> bytes:
    """What is answered to these bytes, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(request)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    return answer


def test_requests_and_connections_of_others_change_no_count_while_those_of_the_run_do(
    services: Services, http_of: HalfServices
) -> None:
    endpoint = http_of.endpoints["http"]
    ours = urlsplit(endpoint.url("/profiles/1"))
    assert ours.port is not None
    before = counts(services, http_of)
    idle = [socket.create_connection(("127.0.0.1", ours.port)) for _ in range(20)]
    for path in ("/profiles/1", "/", f"/x{ours.path}", f"/{ours.path[2:]}", ours.path.replace("/p", "0/p")):
        with requests.get(f"http://127.0.0.1:{ours.port}/{path.lstrip('/')}", timeout=10) as answer:
            assert answer.status_code == 403, path
            assert "the run of leaklab that started it" in answer.text
    for target in (ours.path, f"http://127.0.0.1:{ours.port}{ours.path}"):
        for host in ("evil.example", f"evil.example:{ours.port}", "127.0.0.1.evil.example", "0.0.0.0", ""):  # noqa: S104 # it is only sent
            request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            assert ask(ours.port, request).startswith(b"HTTP/1.1 403 "), host
    assert ask(
        ours.port, f"GET http://evil.example{ours.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    ).startswith(b"HTTP/1.1 403 ")
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"x" * 100_000 + b"\r\n\r\n"):
        assert ask(ours.port, nonsense)[:13] in (b"HTTP/1.1 403 ", b"")
    assert counts(services, http_of) == before
    for host in (f"127.0.0.1:{ours.port}", "127.0.0.1", f"localhost:{ours.port}", "LOCALHOST"):
        connection = http.client.HTTPConnection("127.0.0.1", ours.port, timeout=10)
        connection.request("GET", ours.path, headers={"Host": host})
        assert connection.getresponse().status == 200, host
        connection.close()
    after = counts(services, http_of)
    assert (after.counters["connections"], after.counters["requests"]) == (4, 4)
    assert (after.peaks["sockets"], after.routes) == (1, {"profiles": 4})
    for sock in idle:
        sock.close()


def test_a_connection_that_was_there_before_its_first_request_counts_as_open_with_the_others(
    services: Services, http_of: HalfServices
) -> None:
    endpoint = http_of.endpoints["http"]
    path = urlsplit(endpoint.url("/profiles/1")).path
    opened = [http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=10) for _ in range(5)]
    for connection in opened:
        connection.connect()
    for connection in opened:
        connection.request("GET", path)
        connection.getresponse().read()
    found = counts(services, http_of)
    assert (found.peaks["sockets"], found.half_connections) == (5, 5)
    for connection in opened:
        connection.close()
    assert counts(services, http_of).half_connections == 0


def test_a_redirect_leads_to_where_this_run_is_answered(services: Services, http_of: HalfServices) -> None:
    endpoint = http_of.endpoints["http"]
    with requests.get(endpoint.url("/redirect/7"), timeout=10) as answer:
        assert (answer.status_code, answer.content) == (200, endpoint.profile(7))
    with requests.get(endpoint.url("/redirect/7"), timeout=10, allow_redirects=False) as answer:
        assert answer.content == endpoint.late_body("/redirect/7")


def test_the_database_serves_the_clients_of_this_run_only(services: Services) -> None:
    its = services.start(("mongo",), ServiceNeeds(documents={"orders": [{"_id": 1}]}))
    uri, name = its.endpoints["mongo"].uri, its.endpoints["mongo"].database
    before = counts(services, its)
    plain = uri.partition("?")[0]
    for wrong in (plain, f"{plain}?appname=leaklab", f"{plain}?appname=leaklab-0000000000000000", f"{plain}?appname="):
        with (
            MongoClient[dict[str, object]](wrong, serverSelectionTimeoutMS=300) as stranger,
            pytest.raises(PyMongoError, match="the run of leaklab that started it"),
        ):
            stranger[name]["orders"].find_one()
    raw = [socket.create_connection(("127.0.0.1", next(iter(its.ports)))) for _ in range(5)]
    raw[0].sendall(b"\x10\x00\x00\x00garbage12345")
    assert counts(services, its) == before
    with MongoClient[dict[str, object]](uri) as ours:
        assert ours[name]["orders"].find_one() == {"_id": 1}
        assert (counts(services, its).counters["requests"] or 0) == 1
    for sock in raw:
        sock.close()
    services.stop(its)
